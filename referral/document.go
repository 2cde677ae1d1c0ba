package referral

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// programDocument is a program as it is kept; durations in microseconds.
type programDocument struct {
	ID            string           `json:"id"`
	Version       int              `json:"version"`
	Name          string           `json:"name"`
	Schedule      intervalDocument `json:"schedule"`
	Window        int64            `json:"window"`
	FirstTouch    bool             `json:"first_touch"`
	QualifyWithin int64            `json:"qualify_within"`
	MinimumSpend  coupon.Amounts   `json:"minimum_spend"`
	Hold          int64            `json:"hold"`
	DueWithin     int64            `json:"due_within"`
	Rewards       []ruleDocument   `json:"rewards"`
	Boosts        []boostDocument  `json:"boosts"`
	Caps          []capDocument    `json:"caps"`
	Zone          string           `json:"zone"`
}

type intervalDocument struct {
	From  int64 `json:"from,omitempty"` // unix microseconds
	Until int64 `json:"until,omitempty"`
}

type ruleDocument struct {
	Side    Side            `json:"side"`
	Step    Step            `json:"step"`
	Coupons []offerDocument `json:"coupons"`
}

type offerDocument struct {
	Offer   string `json:"offer"`
	Version int    `json:"version,omitempty"`
	Count   int    `json:"count,omitempty"`
}

type boostDocument struct {
	Name string `json:"name"`
	intervalDocument
	ruleDocument
}

type capDocument struct {
	Friends int64         `json:"friends"`
	Period  ledger.Period `json:"period,omitempty"`
}

var versions = storage.NewCodec[programDocument](1)

func newProgramDocument(p *Program) programDocument {
	d := programDocument{
		ID: p.ID, Version: p.Version, Name: p.Name, Schedule: newIntervalDocument(p.Schedule),
		Window: p.Window.Microseconds(), FirstTouch: p.Attribution == FirstTouch, QualifyWithin: p.QualifyWithin.Microseconds(),
		MinimumSpend: slices.Clone(p.MinimumSpend), Hold: p.Hold.Microseconds(), DueWithin: p.DueWithin.Microseconds(), Zone: p.Zone,
	}
	for _, r := range p.Rewards {
		d.Rewards = append(d.Rewards, newRuleDocument(r))
	}
	for _, b := range p.Boosts {
		d.Boosts = append(d.Boosts, boostDocument{b.Name, newIntervalDocument(b.Interval), newRuleDocument(b.Rule)})
	}
	for _, c := range p.Caps {
		d.Caps = append(d.Caps, capDocument(c))
	}
	return d
}

func (d *programDocument) program() Program {
	p := Program{
		ID: d.ID, Version: d.Version, Name: d.Name, Schedule: d.Schedule.interval(),
		Window: duration(d.Window), QualifyWithin: duration(d.QualifyWithin),
		MinimumSpend: d.MinimumSpend, Hold: duration(d.Hold), DueWithin: duration(d.DueWithin), Zone: d.Zone,
	}
	if d.FirstTouch {
		p.Attribution = FirstTouch
	}
	for _, r := range d.Rewards {
		p.Rewards = append(p.Rewards, r.rule())
	}
	for _, b := range d.Boosts {
		p.Boosts = append(p.Boosts, Boost{b.Name, b.interval(), b.rule()})
	}
	for _, c := range d.Caps {
		p.Caps = append(p.Caps, Cap(c))
	}
	return p
}

func newRuleDocument(r Rule) ruleDocument {
	return ruleDocument{r.Side, r.Step, newOfferDocuments(r.Coupons)}
}

func (d ruleDocument) rule() Rule { return Rule{d.Side, d.Step, issueOffers(d.Coupons)} }

func newOfferDocuments(offers []coupon.IssueOffer) []offerDocument {
	var all []offerDocument
	for _, o := range offers {
		all = append(all, offerDocument{o.Offer, o.Version, o.Count})
	}
	return all
}

func issueOffers(documents []offerDocument) []coupon.IssueOffer {
	var all []coupon.IssueOffer
	for _, o := range documents {
		all = append(all, coupon.IssueOffer{Offer: o.Offer, Version: o.Version, Count: o.Count})
	}
	return all
}

func newIntervalDocument(i coupon.Interval) intervalDocument {
	return intervalDocument{micros(i.From), micros(i.Until)}
}

func (d intervalDocument) interval() coupon.Interval {
	return coupon.Interval{From: instant(d.From), Until: instant(d.Until)}
}

func duration(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

// equal says that two programs have the same document.
func (p *Program) equal(other *Program) (bool, error) {
	mine, err := json.Marshal(newProgramDocument(p))
	if err != nil {
		return false, err
	}
	others, err := json.Marshal(newProgramDocument(other))
	return bytes.Equal(mine, others), err
}
