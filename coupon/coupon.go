package coupon

import (
	"math"
	"slices"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// Coupon is a code that one customer holds or anyone may use. It stays with the
// version of the offer it was issued under.
type Coupon struct {
	ID      string
	Code    Code // with [Options].CodeKey its last four characters, but in the answers that make it
	Offer   string
	Version int
	Name    string    // the offer's, as shoppers read it
	Holder  string    // the customer's key; empty: anyone may use it
	Issued  time.Time // it can't be used before; five minutes are let pass, since clocks differ
	Expires time.Time // the first instant at which it can't be used; zero: never

	// Uses is how often it can be used where somebody holds it; Used are those
	// uses. A coupon that anyone may use counts in the offer's limits instead.
	Uses int
	Used []Use

	Revoked *Revocation // nil: not revoked

	stocked string // the id of its code's document, where that came from a stock
}

// Use is one order that a held coupon is used for.
type Use struct {
	Order string
	// Until is when the reservation lapses by itself; zero: the order is
	// confirmed.
	Until time.Time
	// Imported says that the order is an older system's ([Service.Import]), not one of
	// this id here.
	Imported bool
}

// of says that it is an order's own use.
func (u *Use) of(order string) bool { return u.Order == order && !u.Imported }

// Revocation says who took a coupon back, and why.
type Revocation struct {
	Actor  string
	Reason string
	At     time.Time

	Reissued string // the id of the coupon that replaces it; empty: none
}

// open says how many uses are left at an instant for an order, whose own use does
// not count against it, and whose other reservations that have lapsed do not
// either.
func (c *Coupon) open(order string, at time.Time) int {
	left := c.Uses
	for _, u := range c.Used {
		if !u.of(order) && (u.Until.IsZero() || at.Before(u.Until)) {
			left--
		}
	}
	return left
}

// clocksApart is how far the clocks of a shop's machines may be apart: a coupon can be
// used so long before its issue by another's clock.
const clocksApart = 5 * time.Minute

// refuse is nil when the coupon can be used by the customer for the order.
func (c *Coupon) refuse(customer, order string, at time.Time) *Refusal {
	switch {
	case c.Holder != "" && c.Holder != customer:
		return &Refusal{Reason: ReasonNotHolder}
	case c.Revoked != nil:
		return &Refusal{Reason: ReasonRevoked, At: c.Revoked.At}
	case at.Add(clocksApart).Before(c.Issued):
		return &Refusal{Reason: ReasonNotYet, At: c.Issued}
	case c.Holder != "" && c.open(order, at) < 1:
		if until := c.reserved(order, at); !until.IsZero() {
			return &Refusal{Reason: ReasonReserved, At: until}
		}
		return &Refusal{Reason: ReasonUsed, FoundUses: int64(c.Uses), NeededUses: int64(c.Uses)}
	}
	return nil
}

// reserved is when the first of the reservations that other orders have made ends;
// zero when there is none.
func (c *Coupon) reserved(order string, at time.Time) time.Time {
	var first time.Time
	for _, u := range c.Used {
		if !u.of(order) && at.Before(u.Until) && (first.IsZero() || u.Until.Before(first)) {
			first = u.Until
		}
	}
	return first
}

const (
	kindCoupon = "coupon"
	kindCode   = "code"
)

func couponKey(id string) storage.Key { return storage.Key{Kind: kindCoupon, ID: id} }

func couponKeys(ids []string) []storage.Key {
	keys := make([]storage.Key, len(ids))
	for i, id := range ids {
		keys[i] = couponKey(id)
	}
	return keys
}

// couponBody is what a coupon's document keeps.
type couponBody struct {
	Code    Code        `json:"code"`
	Offer   string      `json:"offer"`
	Version int         `json:"version"`
	Name    string      `json:"name"`
	Holder  string      `json:"holder"`
	Issued  int64       `json:"issued"`
	Expires int64       `json:"expires"`
	Uses    int         `json:"uses"`
	Used    []useBody   `json:"used"`
	Revoked *revokeBody `json:"revoked"`
	Stocked string      `json:"stocked,omitempty"` // the id of its code's document, where that came from a stock
}

type useBody struct {
	Order string `json:"order"`
	Until int64  `json:"until,omitempty"`
	At    int64  `json:"at"`

	Opening string `json:"opening,omitempty"` // the id of what was imported: the order is an older system's
}

// of says that it is an order's own use.
func (u *useBody) of(order string) bool { return u.Order == order && u.Opening == "" }

type revokeBody struct {
	Actor  string `json:"actor"`
	Reason string `json:"reason"`
	At     int64  `json:"at"`

	Reissued string `json:"reissued,omitempty"`
}

// codeBody leads from a code to its coupon. It says under which version of which offer
// that was made, so that what its limits count is read together with the coupon; the
// coupon's own word goes. While a code is in a stock, and when it was withdrawn, it leads
// to no coupon; one that was chosen for several offers leads to others too.
type codeBody struct {
	Coupon  string     `json:"coupon"`
	Offer   string     `json:"offer,omitempty"`
	Version int        `json:"version,omitempty"`
	Load    string     `json:"load,omitempty"`   // by which it came into the stock of the offer
	Sealed  []byte     `json:"sealed,omitempty"` // the code itself, where there is a key: nothing else says it
	Also    []codeLead `json:"also,omitempty"`
}

// codeLead is another coupon that a code leads to, and what it was made under.
type codeLead struct {
	Coupon  string `json:"coupon"`
	Offer   string `json:"offer"`
	Version int    `json:"version"`
}

var (
	coupons = storage.NewCodec[couponBody](1)
	codes   = storage.NewCodec[codeBody](1)
)

// Lists of a wallet: what can still be used, at its expiry, and what is over, at
// the instant it was.
func liveList(holder string) string { return "wallet/" + holder + "/live" }
func pastList(holder string) string { return "wallet/" + holder + "/past" }

// putCoupon writes a coupon: in its holder's wallet and among its offer's coupons.
func putCoupon(r storage.Record[couponBody]) (storage.Put, error) {
	b := &r.Value
	lists := []storage.Listing{{List: "offer/" + b.Offer, Place: b.Issued}}
	switch {
	case b.Holder == "":
	case b.Revoked != nil:
		lists = append(lists, storage.Listing{List: pastList(b.Holder), Place: b.Revoked.At})
	case b.spent():
		lists = append(lists, storage.Listing{List: pastList(b.Holder), Place: b.Used[len(b.Used)-1].At})
	default:
		lists = append(lists, storage.Listing{List: liveList(b.Holder), Place: b.expiry()})
	}
	return coupons.Put(r, 0, lists...)
}

// expiry is the place of a coupon among the live ones: those that never expire
// come last.
func (b *couponBody) expiry() int64 {
	if b.Expires == 0 {
		return math.MaxInt64
	}
	return b.Expires
}

// spent says that every use is confirmed.
func (b *couponBody) spent() bool {
	return len(b.Used) >= b.Uses && !slices.ContainsFunc(b.Used, func(u useBody) bool { return u.Until != 0 })
}

// drop takes an order's use out.
func (b *couponBody) drop(order string) {
	b.Used = slices.DeleteFunc(slices.Clone(b.Used), func(u useBody) bool { return u.of(order) })
}

// confirm makes an order's use final.
func (b *couponBody) confirm(order string, at time.Time) {
	b.Used = slices.Clone(b.Used)
	for i := range b.Used {
		if b.Used[i].of(order) {
			b.Used[i].Until, b.Used[i].At = 0, at.UnixMicro()
		}
	}
}

// lapsed are the orders whose reservations have lapsed.
func (b *couponBody) lapsed(at time.Time) []string {
	var orders []string
	for _, u := range b.Used {
		if u.Until != 0 && u.Until <= at.UnixMicro() {
			orders = append(orders, u.Order)
		}
	}
	return orders
}

// coupon is the body as callers see it.
func (b *couponBody) coupon(id string) Coupon {
	c := Coupon{
		ID: id, Code: b.Code, Offer: b.Offer, Version: b.Version, Name: b.Name, Holder: b.Holder,
		Issued: instant(b.Issued), Expires: instant(b.Expires), Uses: b.Uses, stocked: b.Stocked,
	}
	for _, u := range b.Used {
		c.Used = append(c.Used, Use{u.Order, instant(u.Until), u.Opening != ""})
	}
	if b.Revoked != nil {
		c.Revoked = &Revocation{b.Revoked.Actor, b.Revoked.Reason, instant(b.Revoked.At), b.Revoked.Reissued}
	}
	return c
}
