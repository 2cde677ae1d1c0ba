package referral

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// RewardState is where a reward stands:
//
//	pending → granted → expired
//	pending → withheld, canceled
//	granted, expired → clawed back
//
// A step that may still earn something is promised ([Service.Friends]); it has no reward
// yet. That a granted reward is spent is what its coupons say, or the statement of
// credit.
type RewardState string

// The states of a reward.
const (
	RewardPromised   RewardState = "promised" // the step is still ahead: no reward is kept yet
	RewardPending    RewardState = "pending"  // not before, due by
	RewardGranted    RewardState = "granted"
	RewardExpired    RewardState = "expired"     // its life was over: what was left was taken back
	RewardWithheld   RewardState = "withheld"    // at a cap, a budget, or denied: for good
	RewardCanceled   RewardState = "canceled"    // before it was granted
	RewardClawedBack RewardState = "clawed_back" // after it was granted
)

// Reward is what one side of a referral earns at one step: one per referral, side
// and step; and one per milestone that a referrer reaches.
type Reward struct {
	ID        string
	Program   string
	Friend    string // the referral it comes of
	Side      Side
	Step      Step
	Customer  string // who earns it
	State     RewardState
	Gives     Earning // boosts and tiers included
	Boost     string  // the boost it was raised by; empty: none
	Promised  time.Time
	NotBefore time.Time // when it may be granted
	DueBy     time.Time // when it is promised by; zero: not promised
	Granted   time.Time
	Expires   time.Time // when what is left of its credit is taken back; zero: never

	Coupons   []string       // ids of the coupons it gave; one that was replaced says by which
	Owed      []string       // of those clawed back, the ones that an order had used or reserved already
	OwedMoney coupon.Amounts // of the credit clawed back, what was spent
	TakenBack coupon.Amounts // of the credit, what was taken back
	SetOff    coupon.Amounts // of the credit, what went to a debt of before
	Claims    []ledger.Claim // what it holds of caps in money and of the budget
	Why       string         // why it is withheld, canceled, clawed back, or still waits

	// OutOfStock says that it waits for codes ([coupon.Service.LoadStock]), or for what a
	// [Hook] has none of; it is granted when there are more, and holds its place in caps
	// and budget until then.
	OutOfStock bool
}

type rewardBody struct {
	Program   string          `json:"program"`
	Friend    string          `json:"friend"`
	Side      Side            `json:"side"`
	Step      Step            `json:"step"`
	Customer  string          `json:"customer"`
	State     RewardState     `json:"state"`
	Boost     string          `json:"boost"`
	Gives     earningDocument `json:"gives"`
	Promised  int64           `json:"promised"`
	NotBefore int64           `json:"not_before"`
	DueBy     int64           `json:"due_by"`
	Retry     int64           `json:"retry"` // when it is tried again; 0: it does not wait by itself
	Granted   int64           `json:"granted"`
	Expires   int64           `json:"expires"`
	Coupons   []string        `json:"coupons"`
	Back      backBody        `json:"back"`
	Claims    []ledger.Claim  `json:"claims"`
	Why       string          `json:"why"`

	OutOfStock bool `json:"out_of_stock,omitempty"`
}

// backBody is what was taken back of a reward, and what is owed.
type backBody struct {
	Owed    []string         `json:"owed,omitempty"`
	Money   coupon.Amounts   `json:"money,omitempty"`   // owed of the credit
	Taken   coupon.Amounts   `json:"taken,omitempty"`   // of the credit
	SetOff  coupon.Amounts   `json:"set_off,omitempty"` // of the credit
	Coupons map[string]int64 `json:"coupons,omitempty"` // by offer, that went to a debt in place of being issued
	Before  coupon.Amounts   `json:"before,omitempty"`  // of what was taken, what it shrank by before it was granted
	Takings int              `json:"takings,omitempty"` // how often credit was taken back: it names the next
}

const kindReward = "reward"

var rewards = storage.NewCodec[rewardBody](1)

func rewardID(program, friend string, side Side, step Step) string {
	return program + "/" + friend + "/" + string(side) + "/" + string(step)
}

func rewardKey(id string) storage.Key { return storage.Key{Kind: kindReward, ID: id} }

func rewardList(program, customer string) string { return "customer/" + program + "/" + customer }

// dueList is where pending rewards stand at the instant they are promised by.
func dueList(program string) string { return "due/" + program }

// putReward writes a reward: in its customer's list, while it is pending in that of
// what is promised by an instant, and due when something becomes of it by itself.
func putReward(r storage.Record[rewardBody]) (storage.Put, error) {
	b := &r.Value
	lists := []storage.Listing{{List: rewardList(b.Program, b.Customer), Place: b.Promised}}
	var due int64
	switch {
	case b.State == RewardPending:
		if due = b.Retry; b.DueBy > 0 {
			lists = append(lists, storage.Listing{List: dueList(b.Program), Place: b.DueBy})
		}
	case b.State == RewardGranted:
		due = b.Expires
	case b.State == RewardClawedBack, b.State == RewardCanceled, b.State == RewardWithheld:
		due = b.Retry
	}
	return rewards.Put(r, due, lists...)
}

func (b *rewardBody) reward(id string) Reward {
	return Reward{
		ID: id, Program: b.Program, Friend: b.Friend, Side: b.Side, Step: b.Step, Customer: b.Customer, State: b.State, Gives: b.Gives.earning(),
		Boost: b.Boost, Promised: instant(b.Promised), NotBefore: instant(b.NotBefore), DueBy: instant(b.DueBy), Granted: instant(b.Granted),
		Expires: instant(b.Expires), Coupons: b.Coupons, Owed: b.Back.Owed, OwedMoney: b.Back.Money, TakenBack: b.Back.Taken, SetOff: b.Back.SetOff,
		Claims: b.Claims, Why: b.Why, OutOfStock: b.OutOfStock && b.State == RewardPending,
	}
}

// issueID is the id under which a reward's coupons are issued and its credit is
// granted: it follows from the reward's, so they can't be given twice.
func issueID(reward string) string {
	sum := sha256.Sum256([]byte(reward))
	return rewardIssues + hex.EncodeToString(sum[:20])
}

// creditID is the id under which a reward's credit in a currency is granted.
func creditID(reward string, c ledger.Currency) string { return issueID(reward) + "-" + c.Code() }

const rewardIssues = "reward-"
