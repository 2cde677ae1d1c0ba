package referral

// Event is what the facts and the clock ask of a referral.
type Event string

// The events. [Transitions] says what each does in each state.
const (
	EventQualifies Event = "qualifies"  // the friend did what qualifies
	EventEarlier   Event = "earlier"    // an earlier payment that qualifies comes to light
	EventTakenBack Event = "taken_back" // what qualified was taken back
	EventHoldOver  Event = "hold_over"  // the hold is over, and it stayed
	EventTimeOver  Event = "time_over"  // the time to qualify is over
	EventFlagged   Event = "flagged"    // a case is opened
	EventApproved  Event = "approved"   // every case is closed, and none denied
	EventDenied    Event = "denied"     // a check or a case denies both sides
	EventErased    Event = "erased"     // the friend's data was erased
)

// Transition is what one event does in one state. Where To is From, nothing moves, and
// Why says why that is meant.
type Transition struct {
	From State
	On   Event
	To   State
	Or   State // in place of To, where the referral was in that state before; empty: none
	Why  string
}

// Transitions gives what every event does in every state: the table that deciding
// itself looks up.
func Transitions() []Transition {
	var all []Transition
	for _, from := range States() {
		for _, on := range Events() {
			all = append(all, from.on(on))
		}
	}
	return all
}

// States gives all states, ends last.
func States() []State {
	return []State{
		StateBound, StateHeld, StateReview, StateConfirmed,
		StateRejected, StateExpired, StateVoided, StateReversed,
	}
}

// Events gives all events.
func Events() []Event {
	return []Event{
		EventQualifies, EventEarlier, EventTakenBack, EventHoldOver,
		EventTimeOver, EventFlagged, EventApproved, EventDenied, EventErased,
	}
}

// on looks an event up: the row of the state, or that nothing moves.
func (s State) on(e Event) Transition {
	for i := range transitions {
		if t := &transitions[i]; t.From == s && t.On == e {
			return *t
		}
	}
	return Transition{From: s, On: e, To: s, Why: unmoved(s, e)}
}

// transitions are the rows in which something moves, and those in which what does not
// move needs a reason of its own.
var transitions = []Transition{
	{From: StateBound, On: EventQualifies, To: StateHeld, Why: "the rewards are promised, and wait for the hold"},
	{From: StateBound, On: EventTakenBack, To: StateVoided, Why: "the payment that decides did not stay; no other takes its place"},
	{From: StateBound, On: EventTimeOver, To: StateExpired, Why: "nothing qualified in time"},
	{From: StateBound, On: EventFlagged, To: StateReview, Why: "a person looks before anything is promised"},
	{From: StateBound, On: EventDenied, To: StateRejected, Why: "nothing is promised to either side, and what registration gave is taken back"},
	{From: StateBound, On: EventErased, To: StateVoided, Why: "somebody who is not there can't qualify"},

	{From: StateHeld, On: EventEarlier, To: StateHeld, Why: "the hold counts from the earlier payment"},
	{From: StateHeld, On: EventTakenBack, To: StateVoided, Why: "the promises are canceled, and the places in caps and budget freed"},
	{From: StateHeld, On: EventHoldOver, To: StateConfirmed, Why: "the rewards are granted"},
	{From: StateHeld, On: EventFlagged, To: StateReview, Why: "nothing is granted while a case is open"},
	{From: StateHeld, On: EventDenied, To: StateRejected, Why: "the promises are canceled, and what registration gave is taken back"},
	{From: StateHeld, On: EventErased, To: StateHeld, Why: "the friend paid: the referrer's reward goes on, the friend's own are canceled"},

	{From: StateReview, On: EventApproved, To: StateBound, Or: StateHeld, Why: "it goes on where it was"},
	{From: StateReview, On: EventDenied, To: StateRejected, Why: "the promises are canceled, and what registration gave is taken back"},
	{From: StateReview, On: EventQualifies, To: StateReview, Why: "it counts once the review approves"},
	{From: StateReview, On: EventTakenBack, To: StateReview, Why: "it ends the referral once the review approves"},
	{From: StateReview, On: EventHoldOver, To: StateReview, Why: "nothing is granted while a case is open"},
	{From: StateReview, On: EventTimeOver, To: StateReview, Why: "a friend who qualified in time must not lose by the review"},
	{From: StateReview, On: EventErased, To: StateReview, Why: "the case is decided first"},

	{From: StateConfirmed, On: EventTakenBack, To: StateReversed, Why: "the rewards are taken back, and what was used is owed"},
	{From: StateConfirmed, On: EventDenied, To: StateReversed, Why: "fraud came to light: all rewards are taken back"},
	{From: StateConfirmed, On: EventFlagged, To: StateConfirmed, Why: "what was granted stays until the case denies it; what still waits, waits for the case"},
	{From: StateConfirmed, On: EventErased, To: StateConfirmed, Why: "what was earned is earned; the friend's coupons are revoked with the data"},

	{From: StateVoided, On: EventEarlier, To: StateVoided, Why: "ends are final: the decision was made over what was known; the payment is on record for staff"},
	{From: StateReversed, On: EventFlagged, To: StateReversed, Why: "ends are final; a case about what is owed is for staff"},
	{From: StateReversed, On: EventEarlier, To: StateReversed, Why: "ends are final: the decision was made over what was known; the payment is on record for staff"},
	{From: StateExpired, On: EventEarlier, To: StateExpired, Why: "ends are final: a payment told after its time was over does not count; Lateness gives facts time"},
	{From: StateRejected, On: EventEarlier, To: StateRejected, Why: "ends are final: a rejected referral stays rejected"},
}

// unmoved says why an event moves nothing where the table has no row of its own.
func unmoved(s State, e Event) string {
	switch {
	case s.final():
		return "ends are final"
	case e == EventApproved:
		return "no case is open"
	case s == StateBound && e == EventEarlier:
		return "no payment has decided yet"
	case s == StateBound:
		return "nothing is held yet"
	case e == EventQualifies:
		return "the payment that decides is known"
	case e == EventTimeOver:
		return "it qualified in time"
	}
	return "what was decided stays"
}
