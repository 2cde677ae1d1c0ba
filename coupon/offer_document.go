package coupon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// offerDocument is the JSON form of an offer, as it is kept.
type offerDocument struct {
	ID             string              `json:"id"`
	Version        int                 `json:"version"`
	Name           string              `json:"name"`
	Labels         []string            `json:"labels,omitempty"`
	Benefit        benefitDocument     `json:"benefit"`
	Scope          scopeDocument       `json:"scope"`
	Conditions     []conditionDocument `json:"conditions,omitempty"`
	Schedule       scheduleDocument    `json:"schedule"`
	Limits         []limitDocument     `json:"limits,omitempty"`
	Combine        combineDocument     `json:"combine"`
	Priority       int                 `json:"priority,omitempty"`
	ShopPromotions ShopPromotions      `json:"shop_promotions,omitempty"`
	Rounding       ledger.Rounding     `json:"rounding"`
	Restore        Restore             `json:"restore,omitempty"`
}

type benefitDocument struct {
	Type    string       `json:"type"` // percent, amount
	Percent *ledger.Rate `json:"percent,omitempty"`
	Max     Amounts      `json:"max,omitempty"`
	Amounts Amounts      `json:"amounts,omitempty"`
}

type scopeDocument struct {
	In        listsDocument `json:"in"`
	Out       listsDocument `json:"out"`
	SaleItems SaleItems     `json:"sale_items,omitempty"`
}

type listsDocument struct {
	Products   []string `json:"products,omitempty"`
	Categories []string `json:"categories,omitempty"`
	Sellers    []string `json:"sellers,omitempty"`
	Tags       []string `json:"tags,omitempty"`
}

type conditionDocument struct {
	Type    string   `json:"type"` // minimum_spend, segment
	Amounts Amounts  `json:"amounts,omitempty"`
	Any     []string `json:"any,omitempty"`
}

type intervalDocument struct {
	From  *time.Time `json:"from,omitempty"`
	Until *time.Time `json:"until,omitempty"`
}

type scheduleDocument struct {
	intervalDocument
	Blackouts []blackoutDocument `json:"blackouts,omitempty"`
	Life      int64              `json:"life_seconds,omitempty"`
	Zone      string             `json:"zone,omitempty"`
}

type blackoutDocument struct {
	Name string `json:"name"`
	intervalDocument
}

type limitDocument struct {
	Per    LimitPer      `json:"per"`
	Uses   int64         `json:"uses"`
	Period ledger.Period `json:"period,omitempty"`
}

type combineDocument struct {
	With   []string `json:"with,omitempty"`
	Freely bool     `json:"freely,omitempty"`
}

func newOfferDocument(o *Offer) (offerDocument, error) {
	d := offerDocument{
		ID: o.ID, Version: o.Version, Name: o.Name, Labels: o.Labels,
		Scope:    scopeDocument{listsDocument(o.Scope.In), listsDocument(o.Scope.Out), o.Scope.SaleItems},
		Combine:  combineDocument(o.Combine),
		Priority: o.Priority, ShopPromotions: o.ShopPromotions, Rounding: o.Rounding, Restore: o.Restore,
		Schedule: scheduleDocument{
			intervalDocument: newIntervalDocument(o.Schedule.Interval),
			Life:             int64(o.Schedule.Life / time.Second), Zone: o.Schedule.Zone,
		},
	}
	for _, b := range o.Schedule.Blackouts {
		d.Schedule.Blackouts = append(d.Schedule.Blackouts, blackoutDocument{b.Name, newIntervalDocument(b.Interval)})
	}
	for _, l := range o.Limits {
		d.Limits = append(d.Limits, limitDocument(l))
	}
	switch b := o.Benefit.(type) {
	case PercentOff:
		d.Benefit = benefitDocument{Type: "percent", Percent: &b.Rate, Max: b.Max}
	case AmountOff:
		d.Benefit = benefitDocument{Type: "amount", Amounts: b.Amounts}
	default:
		return d, fmt.Errorf("%w: benefit %T has no document form", ErrOffer, b)
	}
	for _, c := range o.Conditions {
		switch c := c.(type) {
		case MinimumSpend:
			d.Conditions = append(d.Conditions, conditionDocument{Type: "minimum_spend", Amounts: c.Amounts})
		case InSegment:
			d.Conditions = append(d.Conditions, conditionDocument{Type: "segment", Any: c.Any})
		default:
			return d, fmt.Errorf("%w: condition %T has no document form", ErrOffer, c)
		}
	}
	return d, nil
}

func (d *offerDocument) offer() (Offer, error) {
	o := Offer{
		ID: d.ID, Version: d.Version, Name: d.Name, Labels: d.Labels,
		Scope:    Scope{Lists(d.Scope.In), Lists(d.Scope.Out), d.Scope.SaleItems},
		Combine:  Combine(d.Combine),
		Priority: d.Priority, ShopPromotions: d.ShopPromotions, Rounding: d.Rounding, Restore: d.Restore,
		Schedule: Schedule{
			Interval: d.Schedule.interval(),
			Life:     time.Duration(d.Schedule.Life) * time.Second, Zone: d.Schedule.Zone,
		},
	}
	for _, b := range d.Schedule.Blackouts {
		o.Schedule.Blackouts = append(o.Schedule.Blackouts, Blackout{b.Name, b.interval()})
	}
	for _, l := range d.Limits {
		o.Limits = append(o.Limits, Limit(l))
	}
	switch d.Benefit.Type {
	case "percent":
		if d.Benefit.Percent == nil {
			return o, fmt.Errorf("%w: benefit.percent is missing", ErrOffer)
		}
		o.Benefit = PercentOff{*d.Benefit.Percent, d.Benefit.Max}
	case "amount":
		o.Benefit = AmountOff{d.Benefit.Amounts}
	default:
		return o, fmt.Errorf("%w: benefit.type %q is not known to this release", ErrOffer, d.Benefit.Type)
	}
	for i, c := range d.Conditions {
		switch c.Type {
		case "minimum_spend":
			o.Conditions = append(o.Conditions, MinimumSpend{c.Amounts})
		case "segment":
			o.Conditions = append(o.Conditions, InSegment{c.Any})
		default:
			return o, fmt.Errorf("%w: conditions[%d].type %q is not known to this release", ErrOffer, i, c.Type)
		}
	}
	return o, nil
}

func newIntervalDocument(i Interval) intervalDocument {
	var d intervalDocument
	if !i.From.IsZero() {
		from := i.From.UTC()
		d.From = &from
	}
	if !i.Until.IsZero() {
		until := i.Until.UTC()
		d.Until = &until
	}
	return d
}

func (d intervalDocument) interval() Interval {
	var i Interval
	if d.From != nil {
		i.From = *d.From
	}
	if d.Until != nil {
		i.Until = *d.Until
	}
	return i
}

// equal says that two offers have the same document.
func (o *Offer) equal(other *Offer) (bool, error) {
	mine, err := newOfferDocument(o)
	if err != nil {
		return false, err
	}
	others, err := newOfferDocument(other)
	if err != nil {
		return false, err
	}
	a, err := json.Marshal(mine)
	if err != nil {
		return false, err
	}
	b, err := json.Marshal(others)
	return bytes.Equal(a, b), err
}

// Enumerations are kept by name.

var (
	saleItemsNames      = []string{"too", "out", "only"}
	shopPromotionsNames = []string{"refuse", "skip", "allow"}
	restoreNames        = []string{"nothing_kept", "never"}
	limitPerNames       = []string{"offer", "customer", "coupon"}
)

func name(names []string, i int) ([]byte, error) {
	if i >= len(names) {
		return nil, fmt.Errorf("%w: %d is none of %q", ErrOffer, i, names)
	}
	return []byte(names[i]), nil
}

func index(names []string, text []byte) (uint8, error) {
	for i, n := range names {
		if n == string(text) {
			return uint8(i), nil
		}
	}
	return 0, fmt.Errorf("%w: %q is none of %q", ErrOffer, text, names)
}

// MarshalText gives "too", "out" or "only".
func (s SaleItems) MarshalText() ([]byte, error) { return name(saleItemsNames, int(s)) }

// UnmarshalText reads what MarshalText gives; anything else is [ErrOffer].
func (s *SaleItems) UnmarshalText(text []byte) error {
	i, err := index(saleItemsNames, text)
	*s = SaleItems(i)
	return err
}

// MarshalText gives "refuse", "skip" or "allow".
func (p ShopPromotions) MarshalText() ([]byte, error) { return name(shopPromotionsNames, int(p)) }

// UnmarshalText reads what MarshalText gives; anything else is [ErrOffer].
func (p *ShopPromotions) UnmarshalText(text []byte) error {
	i, err := index(shopPromotionsNames, text)
	*p = ShopPromotions(i)
	return err
}

// MarshalText gives "nothing_kept" or "never".
func (r Restore) MarshalText() ([]byte, error) { return name(restoreNames, int(r)) }

// UnmarshalText reads what MarshalText gives; anything else is [ErrOffer].
func (r *Restore) UnmarshalText(text []byte) error {
	i, err := index(restoreNames, text)
	*r = Restore(i)
	return err
}

// MarshalText gives "offer", "customer" or "coupon".
func (l LimitPer) MarshalText() ([]byte, error) { return name(limitPerNames, int(l)) }

// UnmarshalText reads what MarshalText gives; anything else is [ErrOffer].
func (l *LimitPer) UnmarshalText(text []byte) error {
	i, err := index(limitPerNames, text)
	*l = LimitPer(i)
	return err
}
