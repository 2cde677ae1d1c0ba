package referral

import "github.com/vouch-go/vouch/storage"

// Views are the reporting views over referrals, rewards and cases, for SQL stores to
// render: vouch_referrals, vouch_rewards and vouch_cases.
func Views() []storage.View {
	return []storage.View{
		{Name: "referrals", Kind: kindReferral, Columns: []storage.Column{
			{Name: "referral_id", From: storage.FromID},
			{Name: "program", Path: []string{"program"}},
			{Name: "version", Path: []string{"version"}, Type: storage.Integer},
			{Name: "referrer", Path: []string{"referrer"}},
			{Name: "earner", Path: []string{"earner"}},
			{Name: "number", Path: []string{"number"}, Type: storage.Integer},
			{Name: "friend", Path: []string{"friend"}},
			{Name: "state", Path: []string{"state"}},
			{Name: "via", Path: []string{"via"}},
			{Name: "bound_at", Path: []string{"bound"}, Type: storage.Instant},
			{Name: "order_id", Path: []string{"order"}},
			{Name: "paid_at", Path: []string{"paid"}, Type: storage.Instant},
			{Name: "hold_until", Path: []string{"hold_until"}, Type: storage.Instant},
			{Name: "due_by", Path: []string{"due_by"}, Type: storage.Instant},
			{Name: "confirmed_at", Path: []string{"confirmed"}, Type: storage.Instant},
			{Name: "ended_at", Path: []string{"ended"}, Type: storage.Instant},
		}},
		{Name: "rewards", Kind: kindReward, Columns: []storage.Column{
			{Name: "reward_id", From: storage.FromID},
			{Name: "program", Path: []string{"program"}},
			{Name: "friend", Path: []string{"friend"}},
			{Name: "side", Path: []string{"side"}},
			{Name: "step", Path: []string{"step"}},
			{Name: "customer", Path: []string{"customer"}},
			{Name: "state", Path: []string{"state"}},
			{Name: "boost", Path: []string{"boost"}},
			{Name: "promised_at", Path: []string{"promised"}, Type: storage.Instant},
			{Name: "not_before", Path: []string{"not_before"}, Type: storage.Instant},
			{Name: "due_by", Path: []string{"due_by"}, Type: storage.Instant},
			{Name: "granted_at", Path: []string{"granted"}, Type: storage.Instant},
			{Name: "expires_at", Path: []string{"expires"}, Type: storage.Instant},
			{Name: "why", Path: []string{"why"}},
		}},
		{Name: "cases", Kind: kindCase, Columns: []storage.Column{
			{Name: "case_id", From: storage.FromID},
			{Name: "program", Path: []string{"program"}},
			{Name: "friend", Path: []string{"friend"}},
			{Name: "state", Path: []string{"state"}},
			{Name: "verdict", Path: []string{"verdict"}},
			{Name: "side", Path: []string{"side"}},
			{Name: "claimed_by", Path: []string{"claimed"}},
			{Name: "opened_at", Path: []string{"opened"}, Type: storage.Instant},
			{Name: "until", Path: []string{"until"}, Type: storage.Instant},
			{Name: "closed_at", Path: []string{"closed"}, Type: storage.Instant},
		}},
	}
}
