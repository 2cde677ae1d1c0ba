package referral

import (
	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/internal/jsonscan"
	"github.com/vouch-go/vouch/ledger"
)

// The bodies that are read most often read themselves: see [storage.Codec.Decode]. What
// is not written in the plain way, encoding/json reads.

// ReadMember reads a member of a referral.
func (b *referralBody) ReadMember(name, value []byte) bool {
	switch string(name) {
	case "program":
		return jsonscan.String(value, &b.Program)
	case "version":
		return jsonscan.Int(value, &b.Version)
	case "referrer":
		return jsonscan.String(value, &b.Referrer)
	case "earner":
		return jsonscan.String(value, &b.Earner)
	case "friend":
		return jsonscan.String(value, &b.Friend)
	case "state":
		return jsonscan.String(value, &b.State)
	case "before":
		return jsonscan.String(value, &b.Before)
	case "via":
		return jsonscan.String(value, &b.Via)
	case "order":
		return jsonscan.String(value, &b.Order)
	case "number":
		return jsonscan.Int(value, &b.Number)
	case "claims":
		return jsonscan.Slice(value, &b.Claims, readClaim)
	case "made":
		return jsonscan.Slice(value, &b.Made, jsonscan.String[string])
	case "facts":
		return jsonscan.Slice(value, &b.Facts, readFact)
	case "decisions":
		return jsonscan.Slice(value, &b.Decisions, readDecision)
	}
	return b.readInstant(name, value)
}

func (b *referralBody) readInstant(name, value []byte) bool {
	switch string(name) {
	case "bound":
		return jsonscan.Int(value, &b.Bound)
	case "paid":
		return jsonscan.Int(value, &b.Paid)
	case "gross":
		return jsonscan.Int(value, &b.Gross)
	case "hold_until":
		return jsonscan.Int(value, &b.HoldUntil)
	case "retry":
		return jsonscan.Int(value, &b.Retry)
	case "horizon":
		return jsonscan.Int(value, &b.Horizon)
	case "due_by":
		return jsonscan.Int(value, &b.DueBy)
	case "confirmed":
		return jsonscan.Int(value, &b.Confirmed)
	case "ended":
		return jsonscan.Int(value, &b.Ended)
	}
	return false
}

func readFact(text []byte, f *factBody) bool {
	return jsonscan.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "id":
			return jsonscan.String(value, &f.ID)
		case "kind":
			return jsonscan.String(value, &f.Kind)
		case "order":
			return jsonscan.String(value, &f.Order)
		case "amount":
			return jsonscan.Int(value, &f.Amount)
		case "credit":
			return jsonscan.Int(value, &f.Credit)
		case "currency":
			return readCurrency(value, &f.Currency)
		case "everything":
			return jsonscan.Bool(value, &f.Everything)
		case "trial":
			return jsonscan.Bool(value, &f.Trial)
		case "at":
			return jsonscan.Int(value, &f.At)
		}
		return f.readRare(name, value)
	})
}

// readRare reads what facts of payments and returns rarely have.
func (f *factBody) readRare(name, value []byte) bool {
	switch string(name) {
	case "parts":
		return jsonscan.Value(value, &f.Parts)
	case "name":
		return jsonscan.String(value, &f.Name)
	case "action":
		return jsonscan.String(value, &f.Action)
	case "side":
		return jsonscan.String(value, &f.Side)
	case "verdict":
		return jsonscan.String(value, &f.Verdict)
	case "until":
		return jsonscan.Int(value, &f.Until)
	case "otherwise":
		return jsonscan.String(value, &f.Otherwise)
	case "actor":
		return jsonscan.String(value, &f.Actor)
	case "reason":
		return jsonscan.String(value, &f.Reason)
	case "found":
		return jsonscan.Int(value, &f.Found)
	case "limit":
		return jsonscan.Int(value, &f.Limit)
	case "score":
		return jsonscan.Int(value, &f.Score)
	}
	return false
}

func readDecision(text []byte, d *decisionBody) bool {
	return jsonscan.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "at":
			return jsonscan.Int(value, &d.At)
		case "what":
			return jsonscan.String(value, &d.What)
		case "why":
			return jsonscan.String(value, &d.Why) || jsonscan.Value(value, &d.Why) // what it says often has quotes
		case "reward":
			return jsonscan.String(value, &d.Reward)
		}
		return false
	})
}

func readClaim(text []byte, c *ledger.Claim) bool {
	return jsonscan.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "counter":
			return jsonscan.String(value, &c.Counter)
		case "n":
			return jsonscan.Int(value, &c.N)
		case "max":
			return jsonscan.Int(value, &c.Max)
		case "until":
			return jsonscan.Int(value, &c.Until)
		case "shards":
			return jsonscan.Int(value, &c.Shards)
		}
		return false
	})
}

func readCurrency(text []byte, into *ledger.Currency) bool {
	return len(text) > 2 && text[0] == '"' && into.UnmarshalText(text[1:len(text)-1]) == nil
}

// ReadMember reads a member of a reward.
func (b *rewardBody) ReadMember(name, value []byte) bool {
	switch string(name) {
	case "program":
		return jsonscan.String(value, &b.Program)
	case "friend":
		return jsonscan.String(value, &b.Friend)
	case "side":
		return jsonscan.String(value, &b.Side)
	case "step":
		return jsonscan.String(value, &b.Step)
	case "customer":
		return jsonscan.String(value, &b.Customer)
	case "state":
		return jsonscan.String(value, &b.State)
	case "boost":
		return jsonscan.String(value, &b.Boost)
	case "gives":
		return b.Gives.read(value)
	case "promised":
		return jsonscan.Int(value, &b.Promised)
	case "not_before":
		return jsonscan.Int(value, &b.NotBefore)
	case "due_by":
		return jsonscan.Int(value, &b.DueBy)
	case "retry":
		return jsonscan.Int(value, &b.Retry)
	case "granted":
		return jsonscan.Int(value, &b.Granted)
	case "expires":
		return jsonscan.Int(value, &b.Expires)
	case "coupons":
		return jsonscan.Slice(value, &b.Coupons, jsonscan.String[string])
	case "back":
		return string(value) == "{}" || jsonscan.Value(value, &b.Back)
	case "claims":
		return jsonscan.Slice(value, &b.Claims, readClaim)
	case "why":
		return jsonscan.String(value, &b.Why) || jsonscan.Value(value, &b.Why)
	}
	return false
}

func (d *earningDocument) read(text []byte) bool {
	return jsonscan.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "coupons":
			return jsonscan.Slice(value, &d.Coupons, readOffer)
		case "credit":
			return readAmount(value, &d.Credit) || jsonscan.Value(value, &d.Credit)
		case "custom":
			return jsonscan.Value(value, &d.Custom)
		case "worth":
			return readAmount(value, &d.Worth) || jsonscan.Value(value, &d.Worth)
		case "life":
			return jsonscan.Value(value, &d.Life)
		}
		return false
	})
}

func readOffer(text []byte, o *offerDocument) bool {
	return jsonscan.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "offer":
			return jsonscan.String(value, &o.Offer)
		case "version":
			return jsonscan.Int(value, &o.Version)
		case "count":
			return jsonscan.Int(value, &o.Count)
		}
		return false
	})
}

// readAmount reads an amount in one currency, as it is written.
func readAmount(text []byte, into *coupon.Amounts) bool {
	var read coupon.Amounts
	return jsonscan.Members(text, func(name, value []byte) bool {
		var currency ledger.Currency
		var amount string
		if len(read) > 0 || len(name) == 0 || currency.UnmarshalText(name) != nil || !jsonscan.String(value, &amount) {
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
		return jsonscan.Int(value, &b.Since)
	case "depth":
		return jsonscan.Int(value, &b.Depth)
	case "links":
		return jsonscan.Slice(value, &b.Links, readLinkRef)
	case "banned":
		return jsonscan.Bool(value, &b.Banned)
	case "ban_reason":
		return jsonscan.String(value, &b.BanReason)
	case "registration":
		if b.Registration = nil; string(value) == "null" {
			return true
		}
		b.Registration = new(registrationBody)
		return b.Registration.read(value)
	case "became":
		return jsonscan.String(value, &b.Became)
	case "brought":
		return jsonscan.Value(value, &b.Brought)
	}
	return false
}

func readLinkRef(text []byte, l *linkRef) bool {
	return jsonscan.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "program":
			return jsonscan.String(value, &l.Program)
		case "code":
			return jsonscan.String(value, &l.Code)
		}
		return false
	})
}

func (r *registrationBody) read(text []byte) bool {
	return jsonscan.Members(text, func(name, value []byte) bool {
		switch string(name) {
		case "fingerprint":
			return jsonscan.String(value, &r.Fingerprint)
		case "bound":
			return jsonscan.Bool(value, &r.Bound)
		case "reason":
			return jsonscan.String(value, &r.Reason)
		case "program":
			return jsonscan.String(value, &r.Program)
		case "referrer":
			return jsonscan.String(value, &r.Referrer)
		case "via":
			return jsonscan.String(value, &r.Via)
		case "at":
			return jsonscan.Int(value, &r.At)
		case "why":
			return jsonscan.String(value, &r.Why) || jsonscan.Value(value, &r.Why)
		case "rivals":
			return jsonscan.Value(value, &r.Rivals)
		}
		return false
	})
}

// ReadMember reads a member of a program's head.
func (h *headBody) ReadMember(name, value []byte) bool {
	switch string(name) {
	case "latest":
		return jsonscan.Int(value, &h.Latest)
	case "paused":
		return jsonscan.Bool(value, &h.Paused)
	case "ends":
		return jsonscan.Int(value, &h.Ends)
	case "tail":
		return jsonscan.Int(value, &h.Tail)
	case "killed":
		return jsonscan.Bool(value, &h.Killed)
	case "actor":
		return jsonscan.String(value, &h.Actor)
	case "reason":
		return jsonscan.String(value, &h.Reason)
	case "at":
		return jsonscan.Int(value, &h.At)
	}
	return false
}
