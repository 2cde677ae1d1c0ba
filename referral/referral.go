package referral

import (
	"cmp"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// State is where a referral stands:
//
//	bound → held → confirmed → reversed
//	bound, held → review → bound, held
//	bound → expired              nothing qualified in time
//	bound, held → voided         what qualified did not stay
//	bound, held, review → rejected
//
// Rejected, expired, voided and reversed are final. [Transitions] is the whole table.
type State string

// The states of a referral.
const (
	StateBound     State = "bound"     // the friend registered
	StateHeld      State = "held"      // the friend qualifies, and the hold is not over
	StateReview    State = "review"    // a case is open
	StateConfirmed State = "confirmed" // the rewards of qualification are due or granted
	StateRejected  State = "rejected"  // denied by a check or a review
	StateExpired   State = "expired"
	StateVoided    State = "voided"
	StateReversed  State = "reversed" // what qualified was taken back after it was confirmed
)

func (s State) final() bool {
	switch s {
	case StateRejected, StateExpired, StateVoided, StateReversed:
		return true
	}
	return false
}

// Referral is that one customer brought another: unique per program and friend.
type Referral struct {
	Program  string
	Version  int // of the terms, since it was bound
	Referrer string
	Friend   string
	State    State
	Bound    time.Time
	Via      Via // what it was credited to

	Order     string    // that qualified it, or the fact; empty: none yet
	Paid      time.Time // when that was
	HoldUntil time.Time // zero: not held
	DueBy     time.Time // when the rewards of qualification are promised by; zero: not promised
	Confirmed time.Time
	Ended     time.Time // rejected, expired, voided or reversed
	Number    int64     // which friend of the referrer it is, where the terms ask; 0: not counted

	Claims    []ledger.Claim // places it holds in the referrer's caps
	Facts     []Fact         // in the order of their instants
	Decisions []Decision     // in the order they were made
}

// Via is what a referral was credited to.
type Via string

// What a referral can be credited to.
const (
	ViaCode Via = "code" // typed at registration, or later within the grace; it beats a link
	ViaLink Via = "link" // a touch in the window
)

// Decision is one thing that was decided about a referral, and why. It is a
// success, whatever it says: "withheld" is an answer.
type Decision struct {
	At     time.Time
	What   string // "bound", "qualified", "withheld", "granted", …
	Why    string // for staff, with the figures
	Reward string // the reward's id, if it is about one
}

// FactKind says what happened.
type FactKind string

// What can happen to a bound friend.
const (
	FactPaid     FactKind = "paid"
	FactRefunded FactKind = "refunded"
	FactRecorded FactKind = "recorded" // something that the shop defines
	FactFlagged  FactKind = "flagged"  // a check fired, or a case was opened
	FactReviewed FactKind = "reviewed" // a case was decided
	FactErased   FactKind = "erased"
)

// Action is what a check does when it fires.
type Action string

// The actions.
const (
	ActionAllow    Action = "allow"    // it is on record, and nothing more
	ActionScore    Action = "score"    // it adds to a score
	ActionReview   Action = "review"   // a case is opened
	ActionWithhold Action = "withhold" // a side's rewards are withheld
	ActionReject   Action = "reject"   // the referral is rejected
)

// Fact is one thing that happened to the friend. Facts may arrive twice or out of
// order: what follows from them does not depend on it. Payments after the one that
// counts do not concern the referral and are not kept; nor, where there are 1,000 facts,
// are more payments, or returns of orders that are in none of them.
type Fact struct {
	ID         string // unique per kind and order: the return's, the case's, or the order's that was paid
	Kind       FactKind
	Order      string       // or the fact's id, where the shop defines it
	Amount     ledger.Money // paid, or given back
	Credit     ledger.Money // of it, paid with promotional credit
	Parts      []Part       // what it was for; empty: not told
	Everything bool         // nothing of the order was kept
	Trial      bool         // it was paid for a trial
	Name       string       // of what the shop defines
	At         time.Time
	Told       time.Time // when it was told, where that was later; zero: at once

	Action    Action    // of what was flagged
	Side      Side      // it is about; empty: both
	Verdict   Verdict   // of what was reviewed
	Until     time.Time // when the case is decided without anybody; zero: it is no case
	Otherwise Verdict   // how, then
	Actor     string    // who decided
	Reason    string
	Found     int64 // of a check that fired: its figure,
	Limit     int64 // what that was compared with,
	Score     int64 // and what it scored
}

// Part is what some lines of an order have in common, and what was paid for them.
type Part struct {
	Categories []string
	Seller     string
	Amount     ledger.Money
}

type referralBody struct {
	Program   string         `json:"program"`
	Version   int            `json:"version"`
	Referrer  string         `json:"referrer"`
	Earner    string         `json:"earner,omitempty"` // the subject that the referrer has become, among whose friends it is listed; empty: the referrer
	Friend    string         `json:"friend"`
	State     State          `json:"state"`
	Before    State          `json:"before"` // the review
	Bound     int64          `json:"bound"`
	Via       Via            `json:"via"`
	Order     string         `json:"order"`
	Paid      int64          `json:"paid"`
	Gross     int64          `json:"gross"` // when payments alone would have qualified: what the reward is worth follows from that
	HoldUntil int64          `json:"hold_until"`
	Retry     int64          `json:"retry"`   // when it is looked at again, while its program is paused
	Horizon   int64          `json:"horizon"` // up to when facts are decided, where terms give them time to arrive
	DueBy     int64          `json:"due_by"`
	Confirmed int64          `json:"confirmed"`
	Ended     int64          `json:"ended"`
	Number    int64          `json:"number"`
	Claims    []ledger.Claim `json:"claims"`
	Made      []string       `json:"made"`                // ids of milestones reached with this friend
	Uncounted bool           `json:"uncounted,omitempty"` // for tiers and milestones: the referrer is denied what this friend brings
	Facts     []factBody     `json:"facts"`
	Decisions []decisionBody `json:"decisions"`
}

type factBody struct {
	ID         string          `json:"id"`
	Kind       FactKind        `json:"kind"`
	Order      string          `json:"order,omitempty"`
	Amount     int64           `json:"amount"`
	Credit     int64           `json:"credit,omitempty"`
	Currency   ledger.Currency `json:"currency"`
	Parts      []partBody      `json:"parts,omitempty"`
	Everything bool            `json:"everything,omitempty"`
	Trial      bool            `json:"trial,omitempty"`
	Name       string          `json:"name,omitempty"`
	At         int64           `json:"at"`
	Told       int64           `json:"told,omitempty"`
	Action     Action          `json:"action,omitempty"`
	Side       Side            `json:"side,omitempty"`
	Verdict    Verdict         `json:"verdict,omitempty"`
	Until      int64           `json:"until,omitempty"`
	Otherwise  Verdict         `json:"otherwise,omitempty"`
	Actor      string          `json:"actor,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	Found      int64           `json:"found,omitempty"`
	Limit      int64           `json:"limit,omitempty"`
	Score      int64           `json:"score,omitempty"`

	derived bool // its amounts were not told: they are the redemption's, which refunds change
}

type partBody struct {
	Categories []string `json:"categories,omitempty"`
	Seller     string   `json:"seller,omitempty"`
	Amount     int64    `json:"amount"`
}

type decisionBody struct {
	At     int64  `json:"at"`
	What   string `json:"what"`
	Why    string `json:"why,omitempty"`
	Reward string `json:"reward,omitempty"`
}

const kindReferral = "referral"

var referrals = storage.NewCodec[referralBody](1)

func referralKey(program, friend string) storage.Key {
	return storage.Key{Kind: kindReferral, ID: program + "/" + friend} // no program has a '/'
}

func referrerList(program, referrer string) string { return "referrer/" + program + "/" + referrer }

func programList(program string) string { return "program/" + program }

// putReferral writes a referral: in its referrer's list and its program's, and due
// when something becomes of it by itself.
func putReferral(r storage.Record[referralBody], terms *Program, ending ending, now time.Time) (storage.Put, error) {
	b := &r.Value
	return referrals.Put(r, b.due(terms, ending, now),
		storage.Listing{List: programList(b.Program), Place: b.Bound},
		storage.Listing{List: referrerList(b.Program, cmp.Or(b.Earner, b.Referrer)), Place: b.Bound})
}

// referral is the body as staff see it.
func (b *referralBody) referral() Referral {
	r := Referral{
		Program: b.Program, Version: b.Version, Referrer: b.Referrer, Friend: b.Friend, State: b.State,
		Bound: instant(b.Bound), Via: b.Via, Order: b.Order, Paid: instant(b.Paid), HoldUntil: instant(b.HoldUntil),
		DueBy: instant(b.DueBy), Confirmed: instant(b.Confirmed), Ended: instant(b.Ended), Number: b.Number, Claims: b.Claims,
	}
	for i := range b.Facts {
		r.Facts = append(r.Facts, b.Facts[i].fact())
	}
	for _, d := range b.Decisions {
		r.Decisions = append(r.Decisions, Decision{instant(d.At), d.What, d.Why, d.Reward})
	}
	return r
}

func (f *factBody) fact() Fact {
	fact := Fact{
		ID: f.ID, Kind: f.Kind, Order: f.Order, Amount: ledger.Minor(f.Amount, f.Currency), Everything: f.Everything, Trial: f.Trial,
		Name: f.Name, At: instant(f.At), Told: instant(f.Told), Action: f.Action, Side: f.Side, Verdict: f.Verdict, Until: instant(f.Until),
		Otherwise: f.Otherwise, Actor: f.Actor, Reason: f.Reason,
		Found: f.Found, Limit: f.Limit, Score: f.Score,
	}
	if f.Credit > 0 {
		fact.Credit = ledger.Minor(f.Credit, f.Currency)
	}
	for _, p := range f.Parts {
		fact.Parts = append(fact.Parts, Part{p.Categories, p.Seller, ledger.Minor(p.Amount, f.Currency)})
	}
	return fact
}

// micros keeps an instant as unix microseconds; the zero time as 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant reads an instant kept by micros, in UTC.
func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
