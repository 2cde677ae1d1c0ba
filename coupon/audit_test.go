package coupon_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// Whatever is changed behind the service's back, the audit finds it.
func TestAuditFinds(t *testing.T) {
	for name, c := range map[string]struct {
		kind     string
		old, new string
		finding  ledger.Finding
	}{
		"a line's discount":          {"redemption", `"applied":0,"amount":196`, `"applied":0,"amount":195`, coupon.FoundSums},
		"an offer's amount":          {"redemption", `"held":true,"amount":200`, `"held":true,"amount":300`, coupon.FoundSums},
		"the discount":               {"redemption", `"discount":200,"shipping"`, `"discount":100,"shipping"`, coupon.FoundSums},
		"the total":                  {"redemption", `"total":6215`, `"total":6214`, coupon.FoundSums},
		"the subtotal":               {"redemption", `"subtotal":6125`, `"subtotal":6126`, coupon.FoundSums},
		"the shipping":               {"redemption", `"shipping":290`, `"shipping":0`, coupon.FoundSums},
		"what was refunded":          {"redemption", `"refunded":2225`, `"refunded":0`, coupon.FoundSums},
		"a refund's discount":        {"redemption", `"discount":65`, `"discount":66`, coupon.FoundBooked},
		"a refund of no credit":      {"redemption", `"deliveries":["parcel"]`, `"deliveries":["parcel"],"tender":[{"tender":0,"amount":1,"worth":1}]`, coupon.FoundTender},
		"an offer that is not there": {"redemption", `"applied":0,"amount":196`, `"applied":1,"amount":196`, coupon.FoundSums},
		"a later redemption's state": {"redemption", `"state":"reserved"`, `"state":"released"`, coupon.FoundUse},
		"units returned":             {"redemption", `"returned":1`, `"returned":4`, coupon.FoundSums},
		"a use that is not there":    {"coupon", `"used":[{"order":"order"`, `"used":[{"order":"other"`, coupon.FoundUse},
		"more uses than allowed":     {"coupon", `"uses":2`, `"uses":1`, coupon.FoundUse},
		"a reservation that is none": {"coupon", `"order":"order","at"`, `"order":"order","until":1,"at"`, coupon.FoundUse},
		"a claim":                    {"redemption", `"claims":[{"counter":"uses/own/2026-11","n":1`, `"claims":[{"counter":"uses/own/2026-11","n":2`, ledger.FoundCounter},
		"an unreadable coupon":       {"coupon", `"uses":2`, `"uses":"two"`, ledger.FoundUnreadable},
		"an unreadable redemption":   {"redemption", `"total":6215`, `"total":"6215"`, ledger.FoundUnreadable},
	} {
		t.Run(name, func(t *testing.T) {
			store := memory.New()
			source, hit := full(t), false
			copyDocs(t, source.store, store, func(kind, body string) string {
				after := body
				if kind == c.kind {
					after = strings.Replace(body, c.old, c.new, 1)
				}
				hit = hit || after != body
				return after
			})
			require.True(t, hit)
			report, err := coupon.Audit(ctx, store)
			require.NoError(t, err)
			require.ErrorIs(t, report.Err(), ledger.ErrDiscrepancy)
			var found []ledger.Finding
			for _, d := range report.Discrepancies {
				found = append(found, d.Finding)
			}
			assert.Contains(t, found, c.finding)
		})
	}
}

// A refund to credit that paid nothing says which tenders there are: up to the last.
func TestAuditSaysWhichCreditThereIs(t *testing.T) {
	store, source := memory.New(), full(t)
	copyDocs(t, source.store, store, func(_, body string) string {
		return strings.Replace(body, `"deliveries":["parcel"]`, `"deliveries":["parcel"],"tender":[{"tender":7,"amount":1,"worth":1}]`, 1)
	})
	report, err := coupon.Audit(ctx, store)
	require.NoError(t, err)
	found := slices.IndexFunc(report.Discrepancies, func(d ledger.Discrepancy) bool { return d.Finding == coupon.FoundTender })
	require.GreaterOrEqual(t, found, 0)
	require.Equal(t, []int64{7, -1}, []int64{report.Discrepancies[found].Found, report.Discrepancies[found].Want}, "there is none")
}

// A use that was imported stands in the coupon that was used, and only what was imported
// does.
func TestAuditFindsImportedUses(t *testing.T) {
	for name, c := range map[string][3]string{
		"none in the coupon":  {"coupon", `"used":[{"order":"old","at":1795176000000000,"opening":`, `"used":[{"order":"old","at":1795176000000000,"else":`},
		"nothing at all":      {"coupon", `"used":[`, `"else":[`},
		"of another order":    {"coupon", `"used":[{"order":"old"`, `"used":[{"order":"older"`},
		"of another coupon":   {"opening", `"coupon":"held-a-jane/1"`, `"coupon":"held-a-jane/2"`},
		"of a coupon of none": {"opening", `"coupon":"held-a-jane/1"`, `"coupon":"held-a-jane/9"`},
	} {
		t.Run(name, func(t *testing.T) {
			source, hit := newShop(t, amountOff("a", "1.00")), false
			use := used("old", "jane", noon)
			use.Coupon = source.held("a", "jane", 2)[0].ID
			require.NoError(t, ignore(source.Import(ctx, coupon.ImportRequest{ID: "old", Actor: "ann", Uses: []coupon.OpeningUse{use}}, noon)))
			store := memory.New()
			copyDocs(t, source.store, store, func(kind, body string) string {
				after := body
				if kind == c[0] {
					after = strings.Replace(body, c[1], c[2], 1)
				}
				hit = hit || after != body
				return after
			})
			require.True(t, hit)
			report, err := coupon.Audit(ctx, store)
			require.NoError(t, err)
			require.ErrorIs(t, report.Err(), ledger.ErrDiscrepancy)
		})
	}
}

// An override that was used was used by an order that says so.
func TestAuditFindsOverrides(t *testing.T) {
	source, _ := overrideShop(t)
	require.NoError(t, ignore(source.Override(ctx, overriding("o", forJane), noon)))
	source.redeem("order", cartOf(item("20.00", 1)), coupon.Choose("CODE"), noon)
	for said, sound := range map[string]bool{`"override":{`: true, `"else":{`: false} {
		store := memory.New()
		copyDocs(t, source.store, store, func(_, body string) string { return strings.Replace(body, `"override":{`, said, 1) })
		report, err := coupon.Audit(ctx, store)
		require.NoError(t, err)
		uses := slices.ContainsFunc(report.Discrepancies, func(d ledger.Discrepancy) bool { return d.Finding == coupon.FoundUse && d.Where == "o" })
		require.Equal(t, !sound, uses)
	}
}

// copyDocs copies documents and counters, changing bodies.
func copyDocs(t *testing.T, from, to storage.Store, change func(kind, body string) string) {
	t.Helper()
	var batch storage.Batch
	for _, kind := range kinds {
		page, err := from.List(ctx, storage.Query{Kind: kind, Limit: storage.MaxPage})
		require.NoError(t, err)
		for _, doc := range page.Docs {
			put := storage.Put(doc)
			put.Version, put.Body = 0, []byte(change(kind, string(doc.Body)))
			batch.Puts = append(batch.Puts, put)
		}
	}
	_, values, err := from.Get(ctx, nil, "uses/own/2026-11")
	require.NoError(t, err)
	batch.Adds = []storage.Add{{Counter: "uses/own/2026-11", Delta: values["uses/own/2026-11"], Max: 1000}}
	require.NoError(t, to.Apply(ctx, batch))
}

func TestAuditOfACopyFindsNothing(t *testing.T) {
	source, store := full(t), memory.New()
	copyDocs(t, source.store, store, func(_, body string) string { return body })
	report, err := coupon.Audit(ctx, store)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	books, err := ledger.Audit(ctx, store, coupon.Kinds()...)
	require.NoError(t, err)
	assert.Equal(t, books.Documents+4, report.Documents, "two redemptions and two coupons are read besides")
	assert.Equal(t, 1, report.Counters)
	assert.Equal(t, []string{"redemption", "opening"}, coupon.Kinds())
}

// moving is a store in which somebody redeems between any two reads.
type moving struct {
	storage.Store
	run func()
}

func (m *moving) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	m.run()
	return m.Store.Get(ctx, keys, counters...)
}

// While others redeem and return, the audit finds nothing that is not there.
func TestAuditWhileOthersWrite(t *testing.T) {
	s := newShop(t, freely(amountOff("own", "2.00")))
	held := s.held("own", "jane", 3)
	n := 0
	store := &moving{Store: s.store, run: func() {
		n++
		choice := coupon.ChooseCoupons(held[n%3].ID)
		if n > 200 || len(s.quote(cartOf(item("20.00", 1)), choice, noon).Refused()) > 0 {
			return
		}
		order := strings.Repeat("x", n%90+1)
		if n%2 == 0 {
			_ = ignore(s.Refund(ctx, order, coupon.RefundRequest{ID: "r", Everything: true}, noon))
			return
		}
		_ = ignore(s.Redeem(ctx, order, s.quote(cartOf(item("20.00", 1)), choice, noon), noon))
	}}
	report, err := coupon.Audit(ctx, store)
	require.NoError(t, err)
	require.NoError(t, report.Err())
}

// A counter that was pruned is no discrepancy for an audit that is told so.
func TestAuditAfterPruning(t *testing.T) {
	store := memory.New() // without the audit that a shop ends with, which is not told
	s := coupon.New(store, coupon.Options{})
	require.NoError(t, ignore(s.Publish(ctx, limited(amountOff("daily", "1.00"), coupon.Limit{Uses: 9, Period: ledger.Day}), "staff", noon)))
	require.NoError(t, ignore(s.Issue(ctx, coupon.IssueRequest{ID: "i", Offers: []coupon.IssueOffer{{Offer: "daily", Code: "DAILY"}}}, noon)))
	q, err := s.Quote(ctx, cartOf(item("20.00", 1)), coupon.Choose("DAILY"), noon)
	require.NoError(t, err)
	require.NoError(t, ignore(s.Redeem(ctx, "order", q, noon)))
	later := noon.AddDate(2, 2, 0)
	pruned, err := store.Prune(ctx, later)
	require.NoError(t, err)
	require.Equal(t, 1, pruned)
	report, err := coupon.AuditAt(ctx, store, later)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	report, err = coupon.Audit(ctx, store)
	require.NoError(t, err)
	require.Error(t, report.Err())
}

func TestAVersionThatNobodyMadeIsUnknown(t *testing.T) {
	q, err := coupon.Decide(cartOf(item("20.00", 1)), []coupon.Candidate{{Version: &coupon.Version{}}}, coupon.Facts{}, noon)
	require.NoError(t, err)
	require.Equal(t, coupon.ReasonUnknown, q.Refused()[0].Reason)
}
