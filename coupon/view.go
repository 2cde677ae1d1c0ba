package coupon

import "github.com/vouch-go/vouch/storage"

// Views are the reporting views over coupons and redemptions, for SQL stores to
// render: vouch_offers, vouch_coupons, vouch_coupon_batches, vouch_coupon_stock (a row for
// each load of codes) and vouch_redemptions.
// Where codes are kept under a key, a code is shown by its last four characters.
// Money is in minor units of the currency beside it.
func Views() []storage.View {
	return []storage.View{
		{Name: "offers", Kind: kindHead, Columns: []storage.Column{
			{Name: "offer_id", From: storage.FromID},
			{Name: "latest_version", Path: []string{"latest"}, Type: storage.Integer},
			{Name: "paused", Path: []string{"paused"}, Type: storage.Boolean},
		}},
		{Name: "coupons", Kind: kindCoupon, Columns: []storage.Column{
			{Name: "coupon_id", From: storage.FromID},
			{Name: "code", Path: []string{"code"}},
			{Name: "offer_id", Path: []string{"offer"}},
			{Name: "offer_version", Path: []string{"version"}, Type: storage.Integer},
			{Name: "name", Path: []string{"name"}},
			{Name: "holder", Path: []string{"holder"}},
			{Name: "issued_at", Path: []string{"issued"}, Type: storage.Instant},
			{Name: "expires_at", Path: []string{"expires"}, Type: storage.Instant},
			{Name: "uses", Path: []string{"uses"}, Type: storage.Integer},
			{Name: "revoked_at", Path: []string{"revoked", "at"}, Type: storage.Instant},
			{Name: "revoked_by", Path: []string{"revoked", "actor"}},
		}},
		{Name: "coupon_batches", Kind: kindBatch, Columns: []storage.Column{
			{Name: "batch_id", From: storage.FromID},
			{Name: "offer_id", Path: []string{"offer"}},
			{Name: "offer_version", Path: []string{"version"}, Type: storage.Integer},
			{Name: "asked", Path: []string{"count"}, Type: storage.Integer},
			{Name: "made", Path: []string{"made"}, Type: storage.Integer},
			{Name: "issued_at", Path: []string{"issued"}, Type: storage.Instant},
			{Name: "expires_at", Path: []string{"expires"}, Type: storage.Instant},
		}},
		{Name: "coupon_stock", Kind: kindStock, Columns: []storage.Column{
			{Name: "load_id", From: storage.FromID},
			{Name: "offer_id", Path: []string{"offer"}},
			{Name: "loaded", Path: []string{"loaded"}, Type: storage.Integer},
			{Name: "withdrawn", Path: []string{"withdrawn"}, Type: storage.Integer},
			{Name: "begun_at", Path: []string{"begun"}, Type: storage.Instant},
		}},
		{Name: "redemptions", Kind: kindRedemption, Columns: []storage.Column{
			{Name: "order_id", From: storage.FromID},
			{Name: "state", Path: []string{"state"}},
			{Name: "customer", Path: []string{"customer"}},
			{Name: "currency", Path: []string{"currency"}},
			{Name: "subtotal", Path: []string{"subtotal"}, Type: storage.Integer},
			{Name: "discount", Path: []string{"discount"}, Type: storage.Integer},
			{Name: "shipping", Path: []string{"shipping"}, Type: storage.Integer},
			{Name: "total", Path: []string{"total"}, Type: storage.Integer},
			{Name: "refunded", Path: []string{"refunded"}, Type: storage.Integer},
			{Name: "redeemed_at", Path: []string{"at"}, Type: storage.Instant},
			{Name: "confirmed_at", Path: []string{"confirmed"}, Type: storage.Instant},
			{Name: "reserved_until", Path: []string{"until"}, Type: storage.Instant},
		}},
	}
}
