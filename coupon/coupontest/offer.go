package coupontest

import (
	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

// Change is something that an offer says besides what it gives.
type Change func(*coupon.Offer)

// PercentOff is an offer of some percent off, as in "12.5".
func PercentOff(id, rate string, changes ...Change) coupon.Offer {
	return offer(id, coupon.PercentOff{Rate: ledger.MustRate(rate)}, changes)
}

// AmountOff is an offer of an amount off the order, as in "5.00", "EUR".
func AmountOff(id, amount, currency string, changes ...Change) coupon.Offer {
	return offer(id, coupon.AmountOff{Amounts: amounts(amount, currency)}, changes)
}

// FreeShipping is an offer of every delivery for nothing.
func FreeShipping(id string, changes ...Change) coupon.Offer {
	return offer(id, coupon.ShippingOff{Rate: ledger.MustRate("100")}, changes)
}

// Offer is an offer of any benefit.
func Offer(id string, benefit coupon.Benefit, changes ...Change) coupon.Offer {
	return offer(id, benefit, changes)
}

func offer(id string, benefit coupon.Benefit, changes []Change) coupon.Offer {
	o := coupon.Offer{ID: id, Name: id, Benefit: benefit}
	for _, change := range changes {
		change(&o)
	}
	return o
}

func amounts(amount, currency string) coupon.Amounts {
	return coupon.Amounts{ledger.MustMoney(amount, ledger.MustCurrency(currency))}
}

// Automatic lets the offer apply without a code.
func Automatic() Change { return func(o *coupon.Offer) { o.Automatic = true } }

// Freely lets the offer stand beside any other that does too.
func Freely() Change { return func(o *coupon.Offer) { o.Combine = coupon.Combine{Freely: true} } }

// From asks for a minimum spend.
func From(amount, currency string) Change {
	return func(o *coupon.Offer) {
		o.Conditions = append(o.Conditions, coupon.MinimumSpend{Amounts: amounts(amount, currency)})
	}
}

// Uses limits how often the offer is used by everybody together.
func Uses(n int64) Change {
	return func(o *coupon.Offer) { o.Limits = append(o.Limits, coupon.Limit{Uses: n}) }
}

// UsesPerCustomer limits how often each customer uses the offer.
func UsesPerCustomer(n int64) Change {
	return func(o *coupon.Offer) { o.Limits = append(o.Limits, coupon.Limit{Per: coupon.PerCustomer, Uses: n}) }
}
