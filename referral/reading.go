package referral

import (
	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/jsonbody"
)

// The bodies that are read most often read themselves: see [storage.Codec.Decode]. What
// is not written in the plain way, encoding/json reads.

// ReadMember reads a member of a referral.
func (b *referralBody) ReadMember(name, value []byte) bool {
	switch string(name) {
	case "program":
		return jsonbody.String(value, &b.Program)
	case "version":
		return jsonbody.Int(value, &b.Version)
	case "referrer":
		return jsonbody.String(value, &b.Referrer)
	case "earner":
		return jsonbody.String(value, &b.Earner)
	case "friend":
		return jsonbody.String(value, &b.Friend)
	case "state":
		return jsonbody.String(value, &b.State)
	case "before":
		return jsonbody.String(value, &b.Before)
	case "via":
		return jsonbody.String(value, &b.Via)
	case "order":
		return jsonbody.String(value, &b.Order)
	case "number":
		return jsonbody.Int(value, &b.Number)
	case "claims":
		return ledger.ReadClaims(value, &b.Claims)
	case "made":
		return jsonbody.Slice(value, &b.Made, jsonbody.String[string])
	case "uncounted":
		return jsonbody.Bool(value, &b.Uncounted)
	case "facts":
		return jsonbody.Slice(value, &b.Facts, readFact)
	case "decisions":
		return jsonbody.Slice(value, &b.Decisions, readDecision)
	}
	return b.readInstant(name, value)
}

func (b *referralBody) readInstant(name, value []byte) bool {
	switch string(name) {
	case "bound":
		return jsonbody.Int(value, &b.Bound)
	case "paid":
		return jsonbody.Int(value, &b.Paid)
	case "gross":
		return jsonbody.Int(value, &b.Gross)
	case "hold_until":
		return jsonbody.Int(value, &b.HoldUntil)
	case "retry":
		return jsonbody.Int(value, &b.Retry)
	case "horizon":
		return jsonbody.Int(value, &b.Horizon)
	case "due_by":
		return jsonbody.Int(value, &b.DueBy)
	case "confirmed":
		return jsonbody.Int(value, &b.Confirmed)
	case "ended":
		return jsonbody.Int(value, &b.Ended)
	}
	return false
}

func readFact(text []byte, f *factBody) bool {
	return jsonbody.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "id":
			return jsonbody.String(value, &f.ID)
		case "kind":
			return jsonbody.String(value, &f.Kind)
		case "order":
			return jsonbody.String(value, &f.Order)
		case "amount":
			return jsonbody.Int(value, &f.Amount)
		case "credit":
			return jsonbody.Int(value, &f.Credit)
		case "currency":
			return ledger.ReadCurrency(value, &f.Currency)
		case "everything":
			return jsonbody.Bool(value, &f.Everything)
		case "trial":
			return jsonbody.Bool(value, &f.Trial)
		case "at":
			return jsonbody.Int(value, &f.At)
		case "told":
			return jsonbody.Int(value, &f.Told)
		}
		return f.readRare(name, value)
	})
}

// readRare reads what facts of payments and returns rarely have.
func (f *factBody) readRare(name, value []byte) bool {
	switch string(name) {
	case "parts":
		return jsonbody.Value(value, &f.Parts)
	case "name":
		return jsonbody.String(value, &f.Name)
	case "action":
		return jsonbody.String(value, &f.Action)
	case "side":
		return jsonbody.String(value, &f.Side)
	case "verdict":
		return jsonbody.String(value, &f.Verdict)
	case "until":
		return jsonbody.Int(value, &f.Until)
	case "otherwise":
		return jsonbody.String(value, &f.Otherwise)
	case "actor":
		return jsonbody.String(value, &f.Actor)
	case "reason":
		return jsonbody.String(value, &f.Reason)
	case "found":
		return jsonbody.Int(value, &f.Found)
	case "limit":
		return jsonbody.Int(value, &f.Limit)
	case "score":
		return jsonbody.Int(value, &f.Score)
	}
	return false
}

func readDecision(text []byte, d *decisionBody) bool {
	return jsonbody.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "at":
			return jsonbody.Int(value, &d.At)
		case "what":
			return jsonbody.String(value, &d.What)
		case "why":
			return jsonbody.String(value, &d.Why) || jsonbody.Value(value, &d.Why) // what it says often has quotes
		case "reward":
			return jsonbody.String(value, &d.Reward)
		}
		return false
	})
}

// ReadMember reads a member of a reward.
func (b *rewardBody) ReadMember(name, value []byte) bool {
	switch string(name) {
	case "program":
		return jsonbody.String(value, &b.Program)
	case "friend":
		return jsonbody.String(value, &b.Friend)
	case "side":
		return jsonbody.String(value, &b.Side)
	case "step":
		return jsonbody.String(value, &b.Step)
	case "customer":
		return jsonbody.String(value, &b.Customer)
	case "state":
		return jsonbody.String(value, &b.State)
	case "boost":
		return jsonbody.String(value, &b.Boost)
	case "gives":
		return b.Gives.read(value)
	case "promised":
		return jsonbody.Int(value, &b.Promised)
	case "not_before":
		return jsonbody.Int(value, &b.NotBefore)
	case "due_by":
		return jsonbody.Int(value, &b.DueBy)
	case "retry":
		return jsonbody.Int(value, &b.Retry)
	case "granted":
		return jsonbody.Int(value, &b.Granted)
	case "expires":
		return jsonbody.Int(value, &b.Expires)
	case "coupons":
		return jsonbody.Slice(value, &b.Coupons, jsonbody.String[string])
	case "back":
		return string(value) == "{}" || jsonbody.Value(value, &b.Back)
	case "claims":
		return ledger.ReadClaims(value, &b.Claims)
	case "out_of_stock":
		return jsonbody.Bool(value, &b.OutOfStock)
	case "why":
		return jsonbody.String(value, &b.Why) || jsonbody.Value(value, &b.Why)
	}
	return false
}

func (d *earningDocument) read(text []byte) bool {
	return jsonbody.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "coupons":
			return jsonbody.Slice(value, &d.Coupons, readOffer)
		case "credit":
			return readAmount(value, &d.Credit) || jsonbody.Value(value, &d.Credit)
		case "custom":
			return jsonbody.Value(value, &d.Custom)
		case "worth":
			return readAmount(value, &d.Worth) || jsonbody.Value(value, &d.Worth)
		case "life":
			return jsonbody.Value(value, &d.Life)
		}
		return false
	})
}

func readOffer(text []byte, o *offerDocument) bool {
	return jsonbody.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "offer":
			return jsonbody.String(value, &o.Offer)
		case "version":
			return jsonbody.Int(value, &o.Version)
		case "count":
			return jsonbody.Int(value, &o.Count)
		case "from_stock":
			return jsonbody.Bool(value, &o.FromStock)
		}
		return false
	})
}

// readAmount reads an amount in one currency, as it is written.
func readAmount(text []byte, into *coupon.Amounts) bool {
	var read coupon.Amounts
	return jsonbody.Members(text, func(name, value []byte) bool {
		var currency ledger.Currency
		var amount string
		if len(read) > 0 || len(name) == 0 || currency.UnmarshalText(name) != nil || !jsonbody.String(value, &amount) {
			return false
		}
		m, err := ledger.ParseMoney(amount, currency)
		read = coupon.Amounts{m}
		*into = read
		return err == nil && m.Sign() > 0 && m.Amount() == amount
	}) && len(read) == 1
}

// ReadMember reads a member of a customer's document.
func (b *memberBody) ReadMember(name, value []byte) bool {
	switch string(name) {
	case "since":
		return jsonbody.Int(value, &b.Since)
	case "depth":
		return jsonbody.Int(value, &b.Depth)
	case "links":
		return jsonbody.Slice(value, &b.Links, readLinkRef)
	case "banned":
		return jsonbody.Bool(value, &b.Banned)
	case "ban_reason":
		return jsonbody.String(value, &b.BanReason)
	case "registration":
		if b.Registration = nil; string(value) == "null" {
			return true
		}
		b.Registration = new(registrationBody)
		return b.Registration.read(value)
	case "became":
		return jsonbody.String(value, &b.Became)
	case "brought":
		return jsonbody.Value(value, &b.Brought)
	}
	return false
}

func readLinkRef(text []byte, l *linkRef) bool {
	return jsonbody.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "program":
			return jsonbody.String(value, &l.Program)
		case "code":
			return jsonbody.String(value, &l.Code)
		}
		return false
	})
}

func (r *registrationBody) read(text []byte) bool {
	return jsonbody.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "fingerprint":
			return jsonbody.String(value, &r.Fingerprint)
		case "bound":
			return jsonbody.Bool(value, &r.Bound)
		case "reason":
			return jsonbody.String(value, &r.Reason)
		case "program":
			return jsonbody.String(value, &r.Program)
		case "referrer":
			return jsonbody.String(value, &r.Referrer)
		case "via":
			return jsonbody.String(value, &r.Via)
		case "at":
			return jsonbody.Int(value, &r.At)
		case "known":
			return jsonbody.Bool(value, &r.Known)
		case "why":
			return jsonbody.String(value, &r.Why) || jsonbody.Value(value, &r.Why)
		case "rivals":
			return jsonbody.Value(value, &r.Rivals)
		}
		return false
	})
}

// ReadMember reads a member of a program's head.
func (h *headBody) ReadMember(name, value []byte) bool {
	switch string(name) {
	case "latest":
		return jsonbody.Int(value, &h.Latest)
	case "paused":
		return jsonbody.Bool(value, &h.Paused)
	case "ends":
		return jsonbody.Int(value, &h.Ends)
	case "tail":
		return jsonbody.Int(value, &h.Tail)
	case "killed":
		return jsonbody.Bool(value, &h.Killed)
	case "actor":
		return jsonbody.String(value, &h.Actor)
	case "reason":
		return jsonbody.String(value, &h.Reason)
	case "at":
		return jsonbody.Int(value, &h.At)
	}
	return false
}
