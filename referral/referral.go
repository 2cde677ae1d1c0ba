package referral

import (
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// State is where a referral stands:
//
//	bound → held → confirmed → reversed
//	bound → confirmed            when nothing is held
//	bound → expired              no payment qualified in time
//	bound, held → voided         the payment did not stay
//
// Expired, voided and reversed are final.
type State string

// The states of a referral.
const (
	StateBound     State = "bound"     // the friend registered
	StateHeld      State = "held"      // a payment qualifies, and the hold is not over
	StateConfirmed State = "confirmed" // the rewards of qualification are due or granted
	StateExpired   State = "expired"
	StateVoided    State = "voided"
	StateReversed  State = "reversed" // the payment was taken back after it was confirmed
)

func (s State) final() bool {
	return s == StateExpired || s == StateVoided || s == StateReversed
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

	Order     string    // that qualified it; empty: none yet
	Paid      time.Time // when that order was paid
	HoldUntil time.Time // zero: not held
	DueBy     time.Time // when the rewards of qualification are promised by; zero: not promised
	Confirmed time.Time
	Ended     time.Time // expired, voided or reversed

	Claims    []ledger.Claim // places it holds in the referrer's caps
	Facts     []Fact         // in the order of their instants
	Decisions []Decision     // in the order they were made
}

// Via is what a referral was credited to.
type Via string

// What a referral can be credited to.
const (
	ViaCode Via = "code" // typed at registration; it beats a link
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
)

// Fact is one thing that happened to the friend. Facts may arrive twice or out of
// order: what follows from them does not depend on it. Payments after the one that
// counts do not concern the referral and are not kept.
type Fact struct {
	ID         string // unique per kind and order: the return's, or the order's that was paid
	Kind       FactKind
	Order      string
	Amount     ledger.Money // paid, or given back
	Everything bool         // nothing of the order was kept
	At         time.Time
}

type referralBody struct {
	Program   string         `json:"program"`
	Version   int            `json:"version"`
	Referrer  string         `json:"referrer"`
	Friend    string         `json:"friend"`
	State     State          `json:"state"`
	Bound     int64          `json:"bound"`
	Via       Via            `json:"via"`
	Order     string         `json:"order"`
	Paid      int64          `json:"paid"`
	HoldUntil int64          `json:"hold_until"`
	Retry     int64          `json:"retry"` // when it is looked at again, while its program is paused
	DueBy     int64          `json:"due_by"`
	Confirmed int64          `json:"confirmed"`
	Ended     int64          `json:"ended"`
	Claims    []ledger.Claim `json:"claims"`
	Facts     []factBody     `json:"facts"`
	Decisions []decisionBody `json:"decisions"`
}

type factBody struct {
	ID         string          `json:"id"`
	Kind       FactKind        `json:"kind"`
	Order      string          `json:"order"`
	Amount     int64           `json:"amount"`
	Currency   ledger.Currency `json:"currency"`
	Everything bool            `json:"everything,omitempty"`
	At         int64           `json:"at"`
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

// putReferral writes a referral: in its referrer's list, and due when its hold is
// over or its time to qualify is.
func putReferral(r storage.Record[referralBody], terms *Program) (storage.Put, error) {
	b := &r.Value
	var due int64
	switch {
	case b.State == StateHeld:
		due = max(b.HoldUntil, b.Retry)
	case b.State == StateBound && terms.QualifyWithin > 0:
		due = instant(b.Bound).Add(terms.QualifyWithin).UnixMicro()
	}
	return referrals.Put(r, due, storage.Listing{List: referrerList(b.Program, b.Referrer), Place: b.Bound})
}

// referral is the body as staff see it.
func (b *referralBody) referral() Referral {
	r := Referral{
		Program: b.Program, Version: b.Version, Referrer: b.Referrer, Friend: b.Friend, State: b.State,
		Bound: instant(b.Bound), Via: b.Via, Order: b.Order, Paid: instant(b.Paid), HoldUntil: instant(b.HoldUntil),
		DueBy: instant(b.DueBy), Confirmed: instant(b.Confirmed), Ended: instant(b.Ended), Claims: b.Claims,
	}
	for _, f := range b.Facts {
		r.Facts = append(r.Facts, Fact{f.ID, f.Kind, f.Order, ledger.Minor(f.Amount, f.Currency), f.Everything, instant(f.At)})
	}
	for _, d := range b.Decisions {
		r.Decisions = append(r.Decisions, Decision{instant(d.At), d.What, d.Why, d.Reward})
	}
	return r
}

// RewardState is where a reward stands.
type RewardState string

// The states of a reward.
const (
	RewardPending    RewardState = "pending"
	RewardGranted    RewardState = "granted"
	RewardWithheld   RewardState = "withheld"    // at the cap, for good
	RewardCanceled   RewardState = "canceled"    // before it was granted
	RewardClawedBack RewardState = "clawed_back" // after it was granted
)

// Reward is what one side of a referral earns at one step: one per referral, side
// and step.
type Reward struct {
	ID        string
	Program   string
	Side      Side
	Step      Step
	Customer  string // who earns it
	State     RewardState
	Boost     string // the boost it was raised by; empty: none
	Promised  time.Time
	NotBefore time.Time // when it may be granted
	DueBy     time.Time // when it is promised by; zero: not promised
	Granted   time.Time
	Coupons   []string // ids of the coupons it gave
	Owed      []string // of those clawed back, the ones that an order had used or reserved already
	Why       string   // why it is withheld, canceled, clawed back, or still waits
}

type rewardBody struct {
	Program   string          `json:"program"`
	Friend    string          `json:"friend"`
	Side      Side            `json:"side"`
	Step      Step            `json:"step"`
	Customer  string          `json:"customer"`
	State     RewardState     `json:"state"`
	Boost     string          `json:"boost"`
	Offers    []offerDocument `json:"offers"`
	Promised  int64           `json:"promised"`
	NotBefore int64           `json:"not_before"`
	DueBy     int64           `json:"due_by"`
	Retry     int64           `json:"retry"` // when it is tried again; 0: it does not wait by itself
	Granted   int64           `json:"granted"`
	Coupons   []string        `json:"coupons"`
	Owed      []string        `json:"owed"`
	Why       string          `json:"why"`
}

const kindReward = "reward"

var rewards = storage.NewCodec[rewardBody](1)

func rewardID(program, friend string, side Side, step Step) string {
	return program + "/" + friend + "/" + string(side) + "/" + string(step)
}

func rewardKey(id string) storage.Key { return storage.Key{Kind: kindReward, ID: id} }

func rewardList(program, customer string) string { return "customer/" + program + "/" + customer }

// putReward writes a reward: in its customer's list, and due when it is to be tried
// again.
func putReward(r storage.Record[rewardBody]) (storage.Put, error) {
	b := &r.Value
	var due int64
	if b.State == RewardPending {
		due = b.Retry
	}
	return rewards.Put(r, due, storage.Listing{List: rewardList(b.Program, b.Customer), Place: b.Promised})
}

func (b *rewardBody) reward(id string) Reward {
	return Reward{
		ID: id, Program: b.Program, Side: b.Side, Step: b.Step, Customer: b.Customer, State: b.State, Boost: b.Boost,
		Promised: instant(b.Promised), NotBefore: instant(b.NotBefore), DueBy: instant(b.DueBy), Granted: instant(b.Granted),
		Coupons: b.Coupons, Owed: b.Owed, Why: b.Why,
	}
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
