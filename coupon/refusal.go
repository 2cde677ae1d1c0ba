package coupon

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/vouch-go/vouch/coupon/wording"
	"github.com/vouch-go/vouch/ledger"
)

// Reason says why an offer does not apply. The set is closed.
type Reason string

// The reasons, each with the members of [Refusal] that hold its figures.
const (
	ReasonNotACode        Reason = "not_a_code"       // Code is not letters and digits of a code's length
	ReasonMistyped        Reason = "mistyped"         // Code has a wrong check character
	ReasonUnknown         Reason = "unknown_code"     // there is no such Code or Coupon
	ReasonNotChosen       Reason = "not_chosen"       // the offer has coupons, and none was asked for: said of trials only
	ReasonNotHolder       Reason = "not_the_holder"   // the coupon is somebody else's
	ReasonRevoked         Reason = "revoked"          // the coupon was taken back; At
	ReasonUsed            Reason = "used"             // the coupon is used up; FoundUses, NeededUses
	ReasonReserved        Reason = "reserved"         // another order holds the coupon until At
	ReasonPaused          Reason = "paused"           // the offer is paused
	ReasonNotYet          Reason = "not_yet"          // usable from At: the offer's begin, or the coupon's issue
	ReasonExpired         Reason = "expired"          // usable until At
	ReasonBlackout        Reason = "blackout"         // not during Blackout, which ends At
	ReasonCustomer        Reason = "customer_needed"  // the offer must tell customers apart, and the cart names none
	ReasonSegment         Reason = "segment"          // the customer's segments are FoundText, wanted one of NeededText
	ReasonCurrency        Reason = "currency"         // the offer has no amount in Currency
	ReasonNoLines         Reason = "no_lines"         // the offer counts none of the products
	ReasonSeller          Reason = "seller_excluded"  // Sellers keep theirs out of it
	ReasonShopPromotion   Reason = "shop_promotion"   // Promotions of the shop's own apply already
	ReasonMinimumSpend    Reason = "minimum_spend"    // Found, Needed, Missing of the products that count; What: of the "cart", or the "goods" asked for
	ReasonLimit           Reason = "limit"            // Limit is reached; FoundUses, NeededUses
	ReasonMinimumQuantity Reason = "minimum_quantity" // FoundUnits, NeededUnits of the products that count; What: of the "cart"
	ReasonContains        Reason = "contains"         // FoundUnits, NeededUnits of the products asked for
	ReasonOrderNumber     Reason = "order_number"     // this is the customer's order FoundUses, wanted from NeededUses on: NeededText
	ReasonSale            Reason = "sale"             // What is FoundText, wanted NeededText
	ReasonPredicate       Reason = "predicate"        // What the shop's own condition asks for
	ReasonExcluded        Reason = "excluded"         // something holds that must not: What, which is FoundText
	ReasonHours           Reason = "hours"            // outside the offer's weekly windows
	ReasonGroup           Reason = "group"            // Rival of the same group counts
	ReasonNotBetter       Reason = "not_better"       // it would not make the best set better: Rivals take more off, by Behind
	ReasonCombination     Reason = "not_combinable"   // with Rival, which is applied
	ReasonNothingOff      Reason = "nothing_off"      // the lines have nothing left to take off
	ReasonOutOfStock      Reason = "out_of_stock"     // the offer's stock of codes has FoundUses left, NeededUses were to be issued: said when issuing only
	ReasonIncomplete      Reason = "incomplete"       // the cart does not hold the whole set that the offer asks for, of units that no other has used
)

// Refusal says why one offer does not apply, as data and as two sentences: Error
// for staff, [Refusal.Shopper] or [Refusal.In] for the shopper. It is an error that matches
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
	Off       ledger.Money // what the offer itself would take off alone

	// After a search for the best set: those of it that the offer would push out, or
	// leave less to, in the order in which they are worked out, and by how much less
	// would come off in all. None where the search did not get far enough to tell.
	Rivals []Rival
	Behind ledger.Money

	untold bool // a condition that can't be told to hold or not: see Not
}

// Unwrap gives ErrRefused.
func (r *Refusal) Unwrap() error { return ErrRefused }

// Error is the sentence for staff: which offer, and why, with the figures.
func (r *Refusal) Error() string {
	return fmt.Sprintf("%v: %s: %s%s", ErrRefused, r.who(), r.detail(), r.lost())
}

// who names what is refused.
func (r *Refusal) who() string {
	var who []string
	for _, part := range []struct{ what, value string }{{"offer", r.Offer}, {"coupon", r.Coupon}, {"code", r.Code}} {
		if part.value != "" {
			who = append(who, fmt.Sprintf("%s %.100q", part.what, part.value))
		}
	}
	return strings.Join(who, ", ")
}

func (r *Refusal) detail() string {
	switch r.Reason {
	case ReasonNotACode:
		return "not a code: codes are 3 to 32 letters and digits"
	case ReasonMistyped:
		return "the code is mistyped: its check character does not fit"
	case ReasonUnknown:
		return "there is no such coupon"
	case ReasonNotChosen:
		return "none of its coupons was chosen, and no code of it typed"
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
		return "it must tell customers apart, and the cart names no customer: pass a key"
	case ReasonSegment:
		return fmt.Sprintf("the customer's segments are %q, wanted one of %s", r.FoundText, r.NeededText)
	case ReasonCurrency:
		return fmt.Sprintf("it has no amount in %s", r.Currency)
	case ReasonNoLines:
		return "it counts none of the products in the cart"
	case ReasonSeller:
		return "excluded by " + sellers(r.Sellers)
	case ReasonShopPromotion:
		return "the shop's own promotions apply already: " + strings.Join(r.Promotions, ", ")
	case ReasonMinimumSpend:
		return fmt.Sprintf("the %s cost %s, needed %s: %s are missing", r.counting(), r.Found, r.Needed, r.Missing)
	case ReasonLimit:
		if r.OfMoney {
			spent := fmt.Sprintf("%s are spent %s", r.spent(), r.counted())
			if !r.Needed.IsZero() {
				spent += fmt.Sprintf(": %s are left, needed %s", r.Found, r.Needed)
			}
			return spent
		}
		return fmt.Sprintf("used %d of %d times %s", r.FoundUses, r.NeededUses, r.counted())
	case ReasonMinimumQuantity:
		return fmt.Sprintf("%d units of the %s, needed %d: %d are missing", r.FoundUnits, r.counting(), r.NeededUnits, r.NeededUnits-r.FoundUnits)
	case ReasonContains:
		return fmt.Sprintf("%d units of the products it asks for, needed %d: %d are missing", r.FoundUnits, r.NeededUnits, r.NeededUnits-r.FoundUnits)
	case ReasonOrderNumber:
		return fmt.Sprintf("this is the customer's order %d, wanted %s", r.FoundUses, r.NeededText)
	case ReasonSale:
		return fmt.Sprintf("the %s is %q, wanted %s", r.What, r.FoundText, r.NeededText)
	case ReasonPredicate:
		return "the shop's condition does not hold: " + r.What
	case ReasonExcluded:
		switch {
		case r.What == "":
			return "something holds that it excludes"
		case r.FoundText == "":
			return "it excludes what holds: " + r.What
		}
		return fmt.Sprintf("it excludes what holds: the %s is %q", r.What, r.FoundText)
	case ReasonHours:
		return "it can't be used at this hour of the week"
	case ReasonGroup:
		return fmt.Sprintf("of its group, offer %q (%q) counts, which takes off %s", r.Rival, r.RivalName, r.RivalOff)
	case ReasonNotBetter:
		return "no set with it takes off more"
	case ReasonCombination:
		return fmt.Sprintf("can't be combined with offer %q (%q), which takes off %s", r.Rival, r.RivalName, r.RivalOff)
	case ReasonNothingOff:
		return "nothing is left to take off"
	case ReasonOutOfStock:
		return fmt.Sprintf("its stock of codes has %d left, needed %d: load more", r.FoundUses, r.NeededUses)
	case ReasonIncomplete:
		return "the cart does not hold a whole set of the products it asks for, of units that no other offer has used for one"
	}
	return string(r.Reason)
}

// spent is how much of a limit of money is, in major units where its currency says
// what they are.
func (r *Refusal) spent() string {
	if r.Currency.IsZero() {
		return fmt.Sprintf("%d of %d minor units", r.FoundUses, r.NeededUses)
	}
	return fmt.Sprintf("%s of %s", ledger.Minor(r.FoundUses, r.Currency), ledger.Minor(r.NeededUses, r.Currency))
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

// counting names the products that a minimum counts.
func (r *Refusal) counting() string {
	switch r.What {
	case whatCart:
		return "products in the cart"
	case whatGoods:
		return "products it asks for"
	}
	return "eligible products"
}

func sellers(ids []string) string {
	if len(ids) == 1 {
		return "seller " + ids[0]
	}
	return "sellers " + strings.Join(ids, ", ")
}

// lost says by how much the offer lost, where that is known.
func (r *Refusal) lost() string {
	var text string
	if !r.Off.Currency().IsZero() {
		text = "; alone it would take off " + r.Off.String()
	}
	if len(r.Rivals) > 0 {
		return text + r.lostToSet()
	}
	switch more, err := r.RivalOff.Sub(r.Off); {
	case r.Rival == "" || err != nil || text == "":
		return text
	case more.Sign() > 0:
		return fmt.Sprintf("%s: %s less", text, more)
	case more.Sign() < 0:
		less, _ := r.Off.Sub(r.RivalOff) // the negative of what could be worked out
		return fmt.Sprintf("%s: %s more", text, less)
	}
	return text + ": as much"
}

// lostToSet says by how much less would come off than with those of the best set that
// would have to give way.
func (r *Refusal) lostToSet() string {
	rivals := make([]string, len(r.Rivals))
	for i, rival := range r.Rivals {
		rivals[i] = fmt.Sprintf("%q (%q, %s)", rival.Offer, rival.Name, rival.Off)
	}
	less := r.Behind.String() + " less"
	if r.Behind.IsZero() {
		less = "no more"
	}
	return fmt.Sprintf("; with it %s would come off, at the cost of %s", less, strings.Join(rivals, ", "))
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// Shopper is the sentence for the shopper, in English. It gives one and the same
// answer for codes that are unknown, somebody else's, revoked, paused, expired or
// used up, so that it helps nobody to guess codes, and it shows no figures of other
// people's uses. The holder of a coupon is told more of it.
func (r *Refusal) Shopper() string { return r.In(language.English) }

// In is the sentence for the shopper, as [Refusal.Shopper] gives it, in a language
// that has a catalogue, otherwise in English. Amounts and dates are in the form of the
// reader's region.
func (r *Refusal) In(tag language.Tag) string { return wording.Capital(r.tell(wordings.Speaker(tag))) }

func (r *Refusal) tell(s *wording.Speaker) string {
	offer, rival := r.title(s), s.Say("quoted", "name", r.RivalName)
	switch r.Reason {
	case ReasonNotACode, ReasonMistyped:
		return s.Say("refused_mistyped")
	case ReasonMinimumSpend:
		key := map[string]string{whatCart: "refused_minimum_spend_cart", whatGoods: "refused_minimum_spend_goods"}[r.What]
		return s.Say(cmp.Or(key, "refused_minimum_spend"), "missing", s.Money(r.Missing), "offer", offer)
	case ReasonNoLines:
		return s.Say("refused_no_lines", "offer", offer)
	case ReasonSeller:
		return s.Count("refused_sellers", int64(len(r.Sellers)), "offer", offer, "sellers", strings.Join(r.Sellers, s.Say("comma")))
	case ReasonShopPromotion:
		return s.Say("refused_promotions", "offer", offer)
	case ReasonCombination:
		if r.Rival == r.Offer {
			return s.Say("refused_twin", "offer", offer)
		}
		return s.Say("refused_combination", "offer", offer, "rival", rival)
	case ReasonCustomer:
		return s.Say("refused_customer")
	case ReasonNothingOff:
		return s.Say("refused_nothing_off")
	case ReasonMinimumQuantity:
		key := map[string]string{whatCart: "refused_minimum_quantity_cart"}[r.What]
		return s.Count(cmp.Or(key, "refused_minimum_quantity"), r.NeededUnits-r.FoundUnits, "offer", offer)
	case ReasonContains, ReasonIncomplete:
		return s.Say("refused_contains", "offer", offer)
	case ReasonHours:
		return s.Say("refused_hours", "offer", offer)
	case ReasonOrderNumber, ReasonSale, ReasonPredicate, ReasonExcluded, ReasonSegment:
		return s.Say("refused_order", "offer", offer)
	case ReasonGroup:
		return s.Say("refused_group", "offer", offer, "rival", rival)
	case ReasonNotBetter:
		rivals := r.rivals(s)
		switch {
		case rivals == "":
			return s.Say("refused_not_better", "offer", offer)
		case r.Behind.IsZero():
			return s.Say("refused_as_good", "offer", offer, "rivals", rivals)
		}
		return s.Say("refused_better", "offer", offer, "rivals", rivals, "amount", s.Money(r.Behind))
	case ReasonCurrency:
		return s.Say("refused_currency", "offer", offer, "currency", r.Currency.Code())
	case ReasonBlackout:
		return s.Say("refused_blackout", "offer", offer, "blackout", r.Blackout)
	case ReasonNotYet:
		return s.Say("refused_not_yet", "offer", offer, "from", s.DateTime(r.At))
	}
	if r.Own {
		return r.tellHolder(s, s.Say("quoted", "name", r.Name))
	}
	return s.Say("refused")
}

// tellHolder says of a coupon what only its holder may know.
func (r *Refusal) tellHolder(s *wording.Speaker, offer string) string {
	switch {
	case r.Reason == ReasonExpired:
		last := r.At.Add(-1) // At is the first instant at which it could not be used
		return s.Say("refused_expired", "offer", offer, "last", s.Date(last))
	case r.Reason == ReasonUsed:
		return s.Say("refused_used", "offer", offer)
	case r.Reason == ReasonReserved:
		return s.Say("refused_reserved", "offer", offer, "time", s.Clock(r.At)+" "+r.At.Format("MST"))
	case r.Reason == ReasonRevoked:
		return s.Say("refused_revoked", "offer", offer)
	case r.Reason == ReasonLimit && r.Limit == PerCustomer:
		return s.Say("refused_limit", "offer", offer)
	}
	return s.Say("refused_own", "offer", offer)
}

// rivals names those that apply, which the quote names to the shopper anyway.
func (r *Refusal) rivals(s *wording.Speaker) string {
	names := make([]string, len(r.Rivals))
	for i, rival := range r.Rivals {
		names[i] = s.Say("quoted", "name", rival.Name)
	}
	return strings.Join(names, s.Say("comma"))
}

func (r *Refusal) title(s *wording.Speaker) string {
	if r.Name == "" {
		return s.Say("this_coupon")
	}
	return s.Say("quoted", "name", r.Name)
}
