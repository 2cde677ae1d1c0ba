package coupon

import (
	"fmt"
	"strings"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// Reason says why an offer does not apply. The set is closed.
type Reason string

// The reasons, each with the members of [Refusal] that hold its figures.
const (
	ReasonNotACode        Reason = "not_a_code"       // Code is not letters and digits of a code's length
	ReasonMistyped        Reason = "mistyped"         // Code has a wrong check character
	ReasonUnknown         Reason = "unknown_code"     // there is no such Code or Coupon
	ReasonNotHolder       Reason = "not_the_holder"   // the coupon is somebody else's
	ReasonRevoked         Reason = "revoked"          // the coupon was taken back; At
	ReasonUsed            Reason = "used"             // the coupon is used up; FoundUses, NeededUses
	ReasonReserved        Reason = "reserved"         // another order holds the coupon until At
	ReasonPaused          Reason = "paused"           // the offer is paused
	ReasonNotYet          Reason = "not_yet"          // usable from At
	ReasonExpired         Reason = "expired"          // usable until At
	ReasonBlackout        Reason = "blackout"         // not during Blackout, which ends At
	ReasonCustomer        Reason = "customer_needed"  // the offer must tell customers apart, and the cart names none
	ReasonSegment         Reason = "segment"          // the customer is in none of the segments
	ReasonCurrency        Reason = "currency"         // the offer has no amount in Currency
	ReasonNoLines         Reason = "no_lines"         // the offer counts none of the products
	ReasonSeller          Reason = "seller_excluded"  // Sellers keep theirs out of it
	ReasonShopPromotion   Reason = "shop_promotion"   // Promotions of the shop's own apply already
	ReasonMinimumSpend    Reason = "minimum_spend"    // Found, Needed, Missing
	ReasonLimit           Reason = "limit"            // Limit is reached; FoundUses, NeededUses
	ReasonMinimumQuantity Reason = "minimum_quantity" // FoundUnits, NeededUnits of the products that count
	ReasonContains        Reason = "contains"         // FoundUnits, NeededUnits of the products asked for
	ReasonOrderNumber     Reason = "order_number"     // this is the customer's order FoundUses, wanted from NeededUses on
	ReasonSale            Reason = "sale"             // What is FoundText, wanted NeededText
	ReasonPredicate       Reason = "predicate"        // What the shop's own condition asks for
	ReasonExcluded        Reason = "excluded"         // something holds that must not
	ReasonHours           Reason = "hours"            // outside the offer's weekly windows
	ReasonGroup           Reason = "group"            // Rival of the same group counts
	ReasonNotBetter       Reason = "not_better"       // it would not make the best set better
	ReasonCombination     Reason = "not_combinable"   // with Rival, which is applied
	ReasonNothingOff      Reason = "nothing_off"      // the lines have nothing left to take off
	ReasonIncomplete      Reason = "incomplete"       // the cart does not hold the whole set that the offer asks for
)

// Refusal says why one offer does not apply, as data and as two sentences: Error
// for staff, [Refusal.Shopper] for the shopper. It is an error that matches
// [ErrRefused].
type Refusal struct {
	Reason Reason

	Code   string // as typed, if the offer was asked for by a code
	Coupon string // the coupon's id, if there is one
	Offer  string // the offer's id, if it is known
	Name   string // the offer's name
	Own    bool   // the coupon is held by the customer who asks

	Found, Needed, Missing  ledger.Money
	FoundUses, NeededUses   int64 // minor units where OfMoney is set
	OfMoney                 bool
	FoundUnits, NeededUnits int64
	What                    string
	FoundText, NeededText   string
	Limit                   LimitPer
	Period                  ledger.Period
	At                      time.Time
	Currency                ledger.Currency
	Blackout                string
	Sellers                 []string
	Promotions              []string

	Rival     string // id of the offer that is applied instead
	RivalName string
	RivalOff  ledger.Money // what the rival takes off

	untold bool // a condition that can't be told to hold or not: see Not
}

// Unwrap gives ErrRefused.
func (r *Refusal) Unwrap() error { return ErrRefused }

// Error is the sentence for staff: which offer, and why, with the figures.
func (r *Refusal) Error() string {
	var who []string
	for _, part := range []struct{ what, value string }{{"offer", r.Offer}, {"coupon", r.Coupon}, {"code", r.Code}} {
		if part.value != "" {
			who = append(who, fmt.Sprintf("%s %.100q", part.what, part.value))
		}
	}
	return fmt.Sprintf("%v: %s: %s", ErrRefused, strings.Join(who, ", "), r.detail())
}

func (r *Refusal) detail() string {
	switch r.Reason {
	case ReasonNotACode:
		return "not a code: codes are 3 to 32 letters and digits"
	case ReasonMistyped:
		return "the code is mistyped: its check character does not fit"
	case ReasonUnknown:
		return "there is no such coupon"
	case ReasonNotHolder:
		return "the coupon is held by another customer"
	case ReasonRevoked:
		return "the coupon was revoked at " + stamp(r.At)
	case ReasonUsed:
		return fmt.Sprintf("the coupon is used up: %d of %d uses", r.FoundUses, r.NeededUses)
	case ReasonReserved:
		return "another order has reserved the coupon until " + stamp(r.At)
	case ReasonPaused:
		return "the offer is paused"
	case ReasonNotYet:
		return "it can be used from " + stamp(r.At)
	case ReasonExpired:
		return "it could be used until " + stamp(r.At)
	case ReasonBlackout:
		return fmt.Sprintf("it can't be used during %q", r.Blackout)
	case ReasonCustomer:
		return "it counts uses per customer, and the cart names no customer: pass a key"
	case ReasonSegment:
		return "the customer is in none of its segments"
	case ReasonCurrency:
		return fmt.Sprintf("it has no amount in %s", r.Currency)
	case ReasonNoLines:
		return "it counts none of the products in the cart"
	case ReasonSeller:
		return "excluded by " + sellers(r.Sellers)
	case ReasonShopPromotion:
		return "the shop's own promotions apply already: " + strings.Join(r.Promotions, ", ")
	case ReasonMinimumSpend:
		return fmt.Sprintf("the eligible products cost %s, needed %s: %s are missing", r.Found, r.Needed, r.Missing)
	case ReasonLimit:
		if r.OfMoney {
			return fmt.Sprintf("%d of %d minor units of its money are spent %s", r.FoundUses, r.NeededUses, r.counted())
		}
		return fmt.Sprintf("used %d of %d times %s", r.FoundUses, r.NeededUses, r.counted())
	case ReasonMinimumQuantity:
		return fmt.Sprintf("%d eligible units, needed %d", r.FoundUnits, r.NeededUnits)
	case ReasonContains:
		return fmt.Sprintf("%d units of the products it asks for, needed %d", r.FoundUnits, r.NeededUnits)
	case ReasonOrderNumber:
		return fmt.Sprintf("this is the customer's order %d, and it begins with order %d or is over", r.FoundUses, r.NeededUses)
	case ReasonSale:
		return fmt.Sprintf("the %s is %q, wanted %s", r.What, r.FoundText, r.NeededText)
	case ReasonPredicate:
		return "the shop's condition does not hold: " + r.What
	case ReasonExcluded:
		return "something holds that it excludes"
	case ReasonHours:
		return "it can't be used at this hour of the week"
	case ReasonGroup:
		return fmt.Sprintf("of its group, offer %q (%q) counts", r.Rival, r.RivalName)
	case ReasonNotBetter:
		return "no set with it takes off more"
	case ReasonCombination:
		return fmt.Sprintf("can't be combined with offer %q (%q), which takes off %s", r.Rival, r.RivalName, r.RivalOff)
	case ReasonNothingOff:
		return "nothing is left to take off"
	case ReasonIncomplete:
		return "the cart does not hold a whole set of the products it asks for"
	}
	return string(r.Reason)
}

func (r *Refusal) counted() string {
	whose := map[LimitPer]string{
		PerOffer: "in all", PerCustomer: "by this customer", PerCoupon: "with this coupon",
		PerOrder: "in this order", PerCampaign: "in its campaign", PerAttribute: "with this attribute",
	}[r.Limit]
	if r.Period != ledger.Lifetime {
		whose += " in this " + string(r.Period)
	}
	return whose
}

func sellers(ids []string) string {
	if len(ids) == 1 {
		return "seller " + ids[0]
	}
	return "sellers " + strings.Join(ids, ", ")
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// Shopper is the sentence for the shopper. It gives one and the same answer for
// codes that are unknown, somebody else's, revoked, paused, expired or used up,
// so that it helps nobody to guess codes, and it shows no figures of other
// people's uses. The holder of a coupon is told more of it.
func (r *Refusal) Shopper() string {
	switch r.Reason {
	case ReasonNotACode, ReasonMistyped:
		return "Please check the code: it is mistyped."
	case ReasonMinimumSpend:
		return fmt.Sprintf("Spend %s more on products that count for %s.", r.Missing, r.title())
	case ReasonNoLines:
		return fmt.Sprintf("None of the products in your cart count for %s.", r.title())
	case ReasonSeller:
		take := "does"
		if len(r.Sellers) > 1 {
			take = "do"
		}
		return fmt.Sprintf("%s can't be used here: %s %s not take part.", capital(r.title()), sellers(r.Sellers), take)
	case ReasonShopPromotion:
		return fmt.Sprintf("%s can't be combined with other promotions.", capital(r.title()))
	case ReasonCombination:
		if r.Rival == r.Offer {
			return fmt.Sprintf("Only one of your coupons for %s can be used at a time.", r.title())
		}
		return fmt.Sprintf("%s can't be combined with %q.", capital(r.title()), r.RivalName)
	case ReasonCustomer:
		return "Please sign in to use this."
	case ReasonNothingOff:
		return "There is nothing left to take off."
	case ReasonMinimumQuantity:
		return fmt.Sprintf("Add %d more of the products that count for %s.", r.NeededUnits-r.FoundUnits, r.title())
	case ReasonContains, ReasonIncomplete:
		return fmt.Sprintf("%s asks for products that are not in your cart.", capital(r.title()))
	case ReasonHours:
		return fmt.Sprintf("%s can't be used at this hour.", capital(r.title()))
	case ReasonOrderNumber, ReasonSale, ReasonPredicate, ReasonExcluded, ReasonSegment:
		return fmt.Sprintf("%s is not for this order.", capital(r.title()))
	case ReasonGroup:
		return fmt.Sprintf("%s is not needed: %q counts.", capital(r.title()), r.RivalName)
	case ReasonNotBetter:
		return fmt.Sprintf("%s would not save more.", capital(r.title()))
	case ReasonCurrency:
		return fmt.Sprintf("%s can't be used with prices in %s.", capital(r.title()), r.Currency)
	case ReasonBlackout:
		return fmt.Sprintf("%s can't be used during %s.", capital(r.title()), r.Blackout)
	case ReasonNotYet:
		return fmt.Sprintf("%s can be used from %s.", capital(r.title()), r.At.Format("2 January 2006 15:04 MST"))
	}
	if r.Own {
		switch r.Reason {
		case ReasonExpired:
			last := r.At.Add(-1) // At is the first instant at which it could not be used
			return fmt.Sprintf("Your coupon %q could be used until %s.", r.Name, last.Format("2 January 2006"))
		case ReasonUsed:
			return fmt.Sprintf("You have already used your coupon %q.", r.Name)
		case ReasonReserved:
			return fmt.Sprintf("Your coupon %q is held for another order of yours until %s.", r.Name, r.At.Format("15:04 MST"))
		case ReasonRevoked:
			return fmt.Sprintf("Your coupon %q was taken back.", r.Name)
		case ReasonLimit:
			if r.Limit == PerCustomer {
				return fmt.Sprintf("You have used %q as often as allowed.", r.Name)
			}
		}
		return fmt.Sprintf("Your coupon %q can't be used at the moment.", r.Name)
	}
	return "This code can't be used."
}

func (r *Refusal) title() string {
	if r.Name == "" {
		return "this coupon"
	}
	return fmt.Sprintf("%q", r.Name)
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
