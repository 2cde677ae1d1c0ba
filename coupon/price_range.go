package coupon

import (
	"slices"

	"github.com/vouch-go/vouch/ledger"
)

// PriceRange names lines by what one unit costs before any offer: at least From and at
// most To. The zero value: whatever it costs. In a currency that From or To lacks, the
// offer does not apply. Of a line that gives its total, a unit costs its exact share.
type PriceRange struct {
	From, To Amounts // one per currency, both in it; empty: no bound
}

func (r *PriceRange) given() bool { return len(r.From)+len(r.To) > 0 }

// in says that the range can be told in a currency.
func (r *PriceRange) in(c ledger.Currency) bool {
	return (len(r.From) == 0 || r.From.has(c)) && (len(r.To) == 0 || r.To.has(c))
}

// name says that the range names a line. One in a currency that it lacks is named: the
// offer is refused for that.
func (r *PriceRange) name(l *Line) bool {
	if !r.given() {
		return true
	}
	price := l.UnitPrice
	quantity := int64(1)
	if l.Total != (ledger.Money{}) {
		price, quantity = l.Total, l.Quantity
	}
	// A whole number is at most a quotient when it is at most what that has of whole
	// ones, and at least one when it is at least that of the next whole number.
	total := price.Minor()
	from, least := r.From.In(price.Currency())
	to, most := r.To.In(price.Currency())
	return (!least || from.Minor() <= total/quantity) && (!most || to.Minor() >= (total+quantity-1)/quantity)
}

func (r *PriceRange) check(path string, faults *Faults) {
	r.From.check(path+".from", 0, faults)
	r.To.check(path+".to", 0, faults)
	if len(r.From) == 0 || len(r.To) == 0 {
		return
	}
	for _, from := range r.From {
		if to, given := r.To.In(from.Currency()); given && to.Minor() < from.Minor() {
			faults.add(path, "is from %s to %s", from, to)
		}
	}
	if !slices.ContainsFunc(r.From, func(m ledger.Money) bool { return r.To.has(m.Currency()) }) {
		faults.add(path, "has no currency in both from and to")
	}
}

// wider says that the range names every line that the other names.
func (r *PriceRange) wider(than *PriceRange) bool {
	return !r.given() || slices.Equal(r.From, than.From) && slices.Equal(r.To, than.To)
}

// apart says that in a currency no line is named by both.
func (r *PriceRange) apart(other *PriceRange, c ledger.Currency) bool {
	return r.To.has(c) && r.To.minor(c) < other.From.minor(c) || other.To.has(c) && other.To.minor(c) < r.From.minor(c)
}

func (r *PriceRange) clone() PriceRange { return PriceRange{slices.Clone(r.From), slices.Clone(r.To)} }
