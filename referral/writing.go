package referral

import (
	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/jsonbody"
)

// The bodies that are written most often write themselves: see [storage.Codec.Put]. What
// they seldom have is left to encoding/json.

// WriteMembers writes what encoding/json would.
func (b *referralBody) WriteMembers(w *jsonbody.Writer) {
	w.String("program", b.Program)
	w.Int("version", int64(b.Version))
	w.String("referrer", b.Referrer)
	w.StringUnlessEmpty("earner", b.Earner)
	w.String("friend", b.Friend)
	w.String("state", string(b.State))
	w.String("before", string(b.Before))
	w.Int("bound", b.Bound)
	w.String("via", string(b.Via))
	w.String("order", b.Order)
	w.Int("paid", b.Paid)
	w.Int("gross", b.Gross)
	w.Int("hold_until", b.HoldUntil)
	w.Int("retry", b.Retry)
	w.Int("horizon", b.Horizon)
	w.Int("due_by", b.DueBy)
	w.Int("confirmed", b.Confirmed)
	w.Int("ended", b.Ended)
	w.Int("number", b.Number)
	ledger.WriteClaims(w, "claims", b.Claims)
	jsonbody.WriteStrings(w, "made", b.Made)
	w.TrueOnly("uncounted", b.Uncounted)
	jsonbody.WriteObjects(w, "facts", b.Facts, writeFact)
	jsonbody.WriteObjects(w, "decisions", b.Decisions, func(w *jsonbody.Writer, d *decisionBody) {
		w.Int("at", d.At)
		w.String("what", d.What)
		w.StringUnlessEmpty("why", d.Why)
		w.StringUnlessEmpty("reward", d.Reward)
	})
}

func writeFact(w *jsonbody.Writer, f *factBody) {
	w.String("id", f.ID)
	w.String("kind", string(f.Kind))
	w.StringUnlessEmpty("order", f.Order)
	w.Int("amount", f.Amount)
	w.IntUnlessZero("credit", f.Credit)
	ledger.WriteCurrency(w, "currency", f.Currency)
	if len(f.Parts) > 0 {
		w.Value("parts", f.Parts)
	}
	w.TrueOnly("everything", f.Everything)
	w.TrueOnly("trial", f.Trial)
	w.StringUnlessEmpty("name", f.Name)
	w.Int("at", f.At)
	w.IntUnlessZero("told", f.Told)
	w.StringUnlessEmpty("action", string(f.Action))
	w.StringUnlessEmpty("side", string(f.Side))
	w.StringUnlessEmpty("verdict", string(f.Verdict))
	w.IntUnlessZero("until", f.Until)
	w.StringUnlessEmpty("otherwise", string(f.Otherwise))
	w.StringUnlessEmpty("actor", f.Actor)
	w.StringUnlessEmpty("reason", f.Reason)
	w.IntUnlessZero("found", f.Found)
	w.IntUnlessZero("limit", f.Limit)
	w.IntUnlessZero("score", f.Score)
}

// WriteMembers writes what encoding/json would.
func (b *rewardBody) WriteMembers(w *jsonbody.Writer) {
	w.String("program", b.Program)
	w.String("friend", b.Friend)
	w.String("side", string(b.Side))
	w.String("step", string(b.Step))
	w.String("customer", b.Customer)
	w.String("state", string(b.State))
	w.String("boost", b.Boost)
	writeEarning(w, &b.Gives)
	w.Int("promised", b.Promised)
	w.Int("not_before", b.NotBefore)
	w.Int("due_by", b.DueBy)
	w.Int("retry", b.Retry)
	w.Int("granted", b.Granted)
	w.Int("expires", b.Expires)
	jsonbody.WriteStrings(w, "coupons", b.Coupons)
	writeBack(w, &b.Back)
	ledger.WriteClaims(w, "claims", b.Claims)
	w.String("why", b.Why)
	w.TrueOnly("out_of_stock", b.OutOfStock)
}

func writeEarning(w *jsonbody.Writer, d *earningDocument) {
	w.Open("gives", '{')
	if len(d.Coupons) > 0 {
		jsonbody.WriteObjects(w, "coupons", d.Coupons, func(w *jsonbody.Writer, o *offerDocument) {
			w.String("offer", o.Offer)
			w.IntUnlessZero("version", int64(o.Version))
			w.IntUnlessZero("count", int64(o.Count))
			w.TrueOnly("from_stock", o.FromStock)
		})
	}
	if len(d.Credit) > 0 {
		coupon.WriteAmounts(w, "credit", d.Credit)
	}
	if d.Custom != nil {
		w.Value("custom", d.Custom)
	}
	if len(d.Worth) > 0 {
		coupon.WriteAmounts(w, "worth", d.Worth)
	}
	if d.Life != 0 {
		w.Value("life", d.Life)
	}
	w.Close('}')
}

// writeBack writes what was taken back of a reward: mostly nothing.
func writeBack(w *jsonbody.Writer, b *backBody) {
	if len(b.Owed)+len(b.Money)+len(b.Taken)+len(b.SetOff)+len(b.Coupons)+len(b.Before) > 0 || b.Takings != 0 {
		w.Value("back", b)
		return
	}
	w.Open("back", '{')
	w.Close('}')
}
