package referral

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/coupon/strict"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// MaxDocument is the size in bytes of the largest document of a program that is read.
const MaxDocument = 64 << 10

//go:embed program.schema.json
var programSchema string

// ProgramSchema is the JSON Schema (draft 2020-12) of the documents that [ParseProgram]
// reads and [Program.MarshalJSON] writes.
func ProgramSchema() string { return programSchema }

// ParseProgram reads the JSON document of a program, as [ProgramSchema] describes it,
// and checks the program as [Program.Validate] does. It fails with a [*Faults] that
// lists everything wrong, each with its path in the document, as [coupon.ParseOffer]
// does: members that are not known or stand twice, null, values of another type,
// amounts that would have to be rounded, more than [MaxDocument] bytes or 16 objects
// inside each other, anything after the document.
func ParseProgram(data []byte) (Program, error) {
	p, r := readProgramDocument(data)
	var found *Faults
	if err := p.Validate(); errors.As(err, &found) {
		for _, fault := range found.Faults {
			if !r.Follows(fault.Path) {
				r.Add(fault.Path, "%s", fault.Problem)
			}
		}
	}
	if err := faultsOf(r); err != nil {
		return Program{}, err
	}
	return p, nil
}

func readProgramDocument(data []byte) (Program, *strict.Reader) {
	var d programDocument
	r := strict.Read(data, MaxDocument, faultSink{&Faults{Kind: ErrProgram}}, "", &d)
	return d.program(), r
}

// faultSink has a reader add to faults.
type faultSink struct{ *Faults }

func (s faultSink) Add(path, problem string, args ...any) { s.add(path, problem, args...) }
func (s faultSink) Full() bool                            { return len(s.Faults.Faults) > maxFaults }

func faultsOf(r *strict.Reader) error { return r.Sink.(faultSink).orNil() }

// MarshalJSON writes the program's document.
func (p Program) MarshalJSON() ([]byte, error) { return json.Marshal(newProgramDocument(&p)) }

// UnmarshalJSON reads a program's document as strictly as [ParseProgram], but does not
// check what the program says: [Program.Validate] and publishing do.
func (p *Program) UnmarshalJSON(data []byte) error {
	read, r := readProgramDocument(data)
	if err := faultsOf(r); err != nil {
		return err
	}
	*p = read
	return nil
}

// programDocument is the JSON form of a program.
type programDocument struct {
	ID          string                 `json:"id"`
	Version     int                    `json:"version,omitempty"`
	Name        string                 `json:"name"`
	Schedule    *intervalDocument      `json:"schedule,omitempty"`
	Tail        span                   `json:"tail,omitempty"`
	Countries   []string               `json:"countries,omitempty"`
	Window      span                   `json:"window,omitempty"`
	Attribution Attribution            `json:"attribution,omitempty"`
	LateCode    span                   `json:"late_code,omitempty"`
	Qualify     *qualificationDocument `json:"qualify,omitempty"`
	Lateness    span                   `json:"lateness,omitempty"`
	Hold        span                   `json:"hold,omitempty"`
	DueWithin   span                   `json:"due_within,omitempty"`
	Shortfall   Shortfall              `json:"shortfall,omitempty"`
	Debt        Debt                   `json:"debt,omitempty"`
	Rewards     []ruleDocument         `json:"rewards,omitempty"`
	Milestones  []milestoneDocument    `json:"milestones,omitempty"`
	Boosts      []boostDocument        `json:"boosts,omitempty"`
	Caps        []capDocument          `json:"caps,omitempty"`
	Budget      *ledger.Money          `json:"budget,omitempty"`
	Uplift      bool                   `json:"uplift,omitempty"`
	Invitations *invitationsDocument   `json:"invitations,omitempty"`
	Checks      []checkDocument        `json:"checks,omitempty"`
	Thresholds  []thresholdDocument    `json:"thresholds,omitempty"`
	Review      *reviewDocument        `json:"review,omitempty"`
	Zone        string                 `json:"zone,omitempty"`
}

type intervalDocument struct {
	From  *time.Time `json:"from,omitempty"`
	Until *time.Time `json:"until,omitempty"`
}

type qualificationDocument struct {
	On           Trigger        `json:"on,omitempty"`
	Fact         string         `json:"fact,omitempty"`
	Nth          int            `json:"nth,omitempty"`
	Within       span           `json:"within,omitempty"`
	MinimumSpend coupon.Amounts `json:"minimum_spend,omitempty"`
	Cumulative   bool           `json:"cumulative,omitempty"`
	In           *goodsDocument `json:"in,omitempty"`
	Out          *goodsDocument `json:"out,omitempty"`
}

type goodsDocument struct {
	Categories []string `json:"categories,omitempty"`
	Sellers    []string `json:"sellers,omitempty"`
}

type earningDocument struct {
	Coupons []offerDocument `json:"coupons,omitempty"`
	Credit  coupon.Amounts  `json:"credit,omitempty"`
	Custom  *customDocument `json:"custom,omitempty"`
	Worth   coupon.Amounts  `json:"worth,omitempty"`
	Life    span            `json:"life,omitempty"`
}

type offerDocument struct {
	Offer   string `json:"offer"`
	Version int    `json:"version,omitempty"`
	Count   int    `json:"count,omitempty"`

	FromStock bool `json:"from_stock,omitempty"`
}

type customDocument struct {
	Kind    string            `json:"kind"`
	Details map[string]string `json:"details,omitempty"`
}

type ruleDocument struct {
	Side Side `json:"side"`
	Step Step `json:"step"`
	earningDocument
	Tiers []tierDocument `json:"tiers,omitempty"`
}

type tierDocument struct {
	From int64 `json:"from"`
	earningDocument
}

type milestoneDocument struct {
	Friends int64 `json:"friends"`
	Repeat  bool  `json:"repeat,omitempty"`
	earningDocument
}

type boostDocument struct {
	Name string `json:"name"`
	intervalDocument
	Side    Side `json:"side"`
	Step    Step `json:"step"`
	Percent int  `json:"percent,omitempty"`
	earningDocument
}

type capDocument struct {
	Friends int64         `json:"friends,omitempty"`
	Amount  *ledger.Money `json:"amount,omitempty"`
	Period  ledger.Period `json:"period,omitempty"`
}

type reviewDocument struct {
	Within    span    `json:"within,omitempty"`
	Otherwise Verdict `json:"otherwise,omitempty"`
}

type invitationsDocument struct {
	PerSend int64 `json:"per_send"`
	PerDay  int64 `json:"per_day,omitempty"`
	Total   int64 `json:"total,omitempty"`
	Life    span  `json:"life,omitempty"`
}

type checkDocument struct {
	Kind       CheckKind `json:"kind"`
	Name       string    `json:"name,omitempty"`
	Most       int64     `json:"most,omitempty"`
	Within     span      `json:"within,omitempty"`
	Action     Action    `json:"action"`
	Side       Side      `json:"side,omitempty"`
	Score      int64     `json:"score,omitempty"`
	Unanswered Action    `json:"unanswered,omitempty"`
}

type thresholdDocument struct {
	AtLeast int64  `json:"at_least"`
	Action  Action `json:"action"`
	Side    Side   `json:"side,omitempty"`
}

// versionBody keeps a published version.
type versionBody struct {
	Program programDocument `json:"program"`
}

var versions = storage.NewCodec[versionBody](1)

func newProgramDocument(p *Program) programDocument {
	d := programDocument{
		ID: p.ID, Version: p.Version, Name: p.Name, Tail: span(p.Tail), Countries: p.Countries,
		Window: span(p.Window), Attribution: p.Attribution, LateCode: span(p.LateCode), Qualify: newQualificationDocument(&p.Qualify),
		Lateness: span(p.Lateness), Hold: span(p.Hold), DueWithin: span(p.DueWithin), Shortfall: p.Shortfall, Debt: p.Debt,
		Budget: newMoney(p.Budget), Uplift: p.Uplift, Zone: p.Zone,
	}
	if schedule := newIntervalDocument(p.Schedule); schedule != (intervalDocument{}) {
		d.Schedule = &schedule
	}
	if review := (reviewDocument{span(p.Review.Within), p.Review.Otherwise}); review != (reviewDocument{}) {
		d.Review = &review
	}
	for _, r := range p.Rewards {
		rule := ruleDocument{r.Side, r.Step, newEarningDocument(&r.Earning), nil}
		for _, t := range r.Tiers {
			rule.Tiers = append(rule.Tiers, tierDocument{t.From, newEarningDocument(&t.Earning)})
		}
		d.Rewards = append(d.Rewards, rule)
	}
	for _, m := range p.Milestones {
		d.Milestones = append(d.Milestones, milestoneDocument{m.Friends, m.Repeat, newEarningDocument(&m.Earning)})
	}
	for _, b := range p.Boosts {
		d.Boosts = append(d.Boosts, boostDocument{b.Name, newIntervalDocument(b.Interval), b.Side, b.Step, b.Percent, newEarningDocument(&b.Earning)})
	}
	if i := p.Invitations; i != (Invitations{}) {
		d.Invitations = &invitationsDocument{i.PerSend, i.PerDay, i.Total, span(i.Life)}
	}
	for _, c := range p.Checks {
		d.Checks = append(d.Checks, checkDocument{c.Kind, c.Name, c.Most, span(c.Within), c.Action, c.Side, c.Score, c.Unanswered})
	}
	for _, t := range p.Thresholds {
		d.Thresholds = append(d.Thresholds, thresholdDocument(t))
	}
	for _, c := range p.Caps {
		d.Caps = append(d.Caps, capDocument{c.Friends, newMoney(c.Amount), c.Period})
	}
	return d
}

func (d *programDocument) program() Program {
	p := Program{
		ID: d.ID, Version: d.Version, Name: d.Name, Schedule: d.Schedule.interval(), Tail: time.Duration(d.Tail), Countries: d.Countries,
		Window: time.Duration(d.Window), Attribution: d.Attribution, LateCode: time.Duration(d.LateCode), Qualify: d.Qualify.qualification(),
		Lateness: time.Duration(d.Lateness), Hold: time.Duration(d.Hold), DueWithin: time.Duration(d.DueWithin), Shortfall: d.Shortfall, Debt: d.Debt,
		Budget: moneyOf(d.Budget), Uplift: d.Uplift, Zone: d.Zone,
	}
	if d.Review != nil {
		p.Review = Review{time.Duration(d.Review.Within), d.Review.Otherwise}
	}
	for i := range d.Rewards {
		r := &d.Rewards[i]
		rule := Rule{Side: r.Side, Step: r.Step, Earning: r.earning()}
		for j := range r.Tiers {
			rule.Tiers = append(rule.Tiers, Tier{r.Tiers[j].From, r.Tiers[j].earning()})
		}
		p.Rewards = append(p.Rewards, rule)
	}
	for i := range d.Milestones {
		m := &d.Milestones[i]
		p.Milestones = append(p.Milestones, Milestone{m.Friends, m.Repeat, m.earning()})
	}
	for i := range d.Boosts {
		b := &d.Boosts[i]
		p.Boosts = append(p.Boosts, Boost{b.Name, b.interval(), Rule{Side: b.Side, Step: b.Step, Earning: b.earning()}, b.Percent})
	}
	if i := d.Invitations; i != nil {
		p.Invitations = Invitations{i.PerSend, i.PerDay, i.Total, time.Duration(i.Life)}
	}
	for _, c := range d.Checks {
		p.Checks = append(p.Checks, Check{c.Kind, c.Name, c.Most, time.Duration(c.Within), c.Action, c.Side, c.Score, c.Unanswered})
	}
	for _, t := range d.Thresholds {
		p.Thresholds = append(p.Thresholds, Threshold(t))
	}
	for _, c := range d.Caps {
		p.Caps = append(p.Caps, Cap{c.Friends, moneyOf(c.Amount), c.Period})
	}
	return p
}

func newQualificationDocument(q *Qualification) *qualificationDocument {
	d := qualificationDocument{
		On: q.On, Fact: q.Fact, Nth: q.Nth, Within: span(q.Within), MinimumSpend: q.MinimumSpend, Cumulative: q.Cumulative,
		In: newGoodsDocument(&q.In), Out: newGoodsDocument(&q.Out),
	}
	if d.On == "" && d.Nth == 0 && d.Within == 0 && len(d.MinimumSpend) == 0 && !d.Cumulative && d.In == nil && d.Out == nil {
		return nil
	}
	return &d
}

func (d *qualificationDocument) qualification() Qualification {
	if d == nil {
		return Qualification{}
	}
	return Qualification{d.On, d.Fact, d.Nth, time.Duration(d.Within), d.MinimumSpend, d.Cumulative, d.In.goods(), d.Out.goods()}
}

func newGoodsDocument(g *Goods) *goodsDocument {
	if g.empty() {
		return nil
	}
	return &goodsDocument{g.Categories, g.Sellers}
}

func (d *goodsDocument) goods() Goods {
	if d == nil {
		return Goods{}
	}
	return Goods{d.Categories, d.Sellers}
}

func newEarningDocument(e *Earning) earningDocument {
	return earningDocument{newOfferDocuments(e.Coupons), e.Credit, newCustomDocument(e.Custom), e.Worth, span(e.Life)}
}

func (d *earningDocument) earning() Earning {
	return Earning{issueOffers(d.Coupons), d.Credit, d.Custom.custom(), d.Worth, time.Duration(d.Life)}
}

func newCustomDocument(c *Custom) *customDocument {
	if c == nil {
		return nil
	}
	return &customDocument{c.Kind, c.Details}
}

func (d *customDocument) custom() *Custom {
	if d == nil {
		return nil
	}
	return &Custom{d.Kind, d.Details}
}

func newOfferDocuments(offers []coupon.IssueOffer) []offerDocument {
	var all []offerDocument
	for _, o := range offers {
		all = append(all, offerDocument{o.Offer, o.Version, o.Count, o.FromStock})
	}
	return all
}

func issueOffers(documents []offerDocument) []coupon.IssueOffer {
	var all []coupon.IssueOffer
	for _, o := range documents {
		all = append(all, coupon.IssueOffer{Offer: o.Offer, Version: o.Version, Count: o.Count, FromStock: o.FromStock})
	}
	return all
}

func newIntervalDocument(i coupon.Interval) intervalDocument {
	at := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.UTC()
		return &t
	}
	return intervalDocument{at(i.From), at(i.Until)}
}

func (d *intervalDocument) interval() coupon.Interval {
	at := func(t *time.Time) time.Time {
		if t == nil {
			return time.Time{}
		}
		return t.UTC()
	}
	if d == nil {
		return coupon.Interval{}
	}
	return coupon.Interval{From: at(d.From), Until: at(d.Until)}
}

func newMoney(m ledger.Money) *ledger.Money {
	if m == (ledger.Money{}) {
		return nil
	}
	return &m
}

func moneyOf(m *ledger.Money) ledger.Money {
	if m == nil {
		return ledger.Money{}
	}
	return *m
}

// copied is the program in memory of its own.
func (p *Program) copied() (Program, error) {
	var d programDocument
	text, err := json.Marshal(newProgramDocument(p))
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	return d.program(), err
}

// equal says that two programs have the same document.
func (p *Program) equal(other *Program) (bool, error) {
	mine, err := json.Marshal(newProgramDocument(p))
	if err != nil {
		return false, err
	}
	others, err := json.Marshal(newProgramDocument(other))
	return bytes.Equal(mine, others), err
}

// span is a length of time in a document: "30d", "36h", "1h30m". A day has 24 hours.
type span time.Duration

// MarshalText writes days, and what is left of them as Go does.
func (s span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String is the text form.
func (s span) String() string {
	const day = 24 * time.Hour
	d := time.Duration(s)
	days, rest := d/day, d%day
	text := rest.String()
	text = strings.TrimSuffix(text, "m0s") + strings.Repeat("m", strings.Count(text, "m0s"))
	if left, ok := strings.CutSuffix(text, "h0m"); ok {
		text = left + "h"
	}
	switch {
	case days == 0:
		return text
	case rest == 0:
		return fmt.Sprintf("%dd", days)
	}
	return fmt.Sprintf("%dd%s", days, text)
}

// UnmarshalText reads what MarshalText writes.
func (s *span) UnmarshalText(text []byte) error {
	const day = 24 * time.Hour
	written := string(text)
	bad := fmt.Errorf("%.40q is no length of time like \"30d\", \"36h\" or \"1h30m\"", written)
	var days int64
	rest := written
	if before, after, ok := strings.Cut(written, "d"); ok {
		n, err := parseDays(before)
		if err != nil {
			return bad
		}
		days, rest = n, after
	}
	var d time.Duration
	if rest != "" || written == "" {
		var err error
		if d, err = time.ParseDuration(rest); err != nil || d < 0 || strings.HasPrefix(rest, "+") {
			return bad
		}
	}
	*s = span(time.Duration(days)*day + min(d, maxSpan))
	return nil
}

// maxSpan keeps sums of spans within their type; no term may be as long.
const maxSpan = 100 * 365 * 24 * time.Hour

func parseDays(text string) (int64, error) {
	var n int64
	if text == "" || len(text) > 5 {
		return 0, fmt.Errorf("%q are no days", text)
	}
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%q are no days", text)
		}
		n = n*10 + int64(c-'0')
	}
	return n, nil
}

// MarshalText writes the attribution by its name.
func (a Attribution) MarshalText() ([]byte, error) {
	switch a {
	case LastTouch:
		return []byte("last_touch"), nil
	case FirstTouch:
		return []byte("first_touch"), nil
	}
	return nil, fmt.Errorf("referral: attribution %d is not defined", a)
}

// UnmarshalText reads what MarshalText writes.
func (a *Attribution) UnmarshalText(text []byte) error {
	switch string(text) {
	case "last_touch":
		*a = LastTouch
	case "first_touch":
		*a = FirstTouch
	default:
		return fmt.Errorf("%.40q is not last_touch or first_touch", text)
	}
	return nil
}
