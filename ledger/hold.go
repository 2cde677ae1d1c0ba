package ledger

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// MaxHoldID is the longest id of a hold, in bytes.
const MaxHoldID = 160

// HoldState says where a hold stands. It leaves Held once and for good.
type HoldState string

// The states of a hold.
const (
	Held   HoldState = "held"   // the amount waits
	Posted HoldState = "posted" // it went where it was meant to go, and the rest back
	Voided HoldState = "voided" // it went back
	Lapsed HoldState = "lapsed" // its time was over, and it went back
)

// HoldRequest asks to set an amount aside until it is known where it goes.
type HoldRequest struct {
	ID       string    // the idempotency key, 1 to 160 bytes
	From     Account   // whose money it is, at most 115 bytes
	Amount   Money     // above zero
	Until    time.Time // when it goes back by itself; after now
	Actor    string    // as in an Entry
	Subject  string
	Concerns string
}

// Hold is an amount set aside: money in two phases. While it is held, the amount
// stands on the account "held/<from>".
type Hold struct {
	HoldRequest
	State  HoldState
	At     time.Time // when it was made
	Ended  time.Time // when it was posted, voided or lapsed; zero while held
	To     Account   // where it was posted to
	Posted Money     // how much of it
}

type holdBody struct {
	From     Account   `json:"from"`
	Minor    int64     `json:"minor"`
	Currency Currency  `json:"currency"`
	Until    int64     `json:"until"` // unix microseconds, as all instants here
	Actor    string    `json:"actor"`
	Subject  string    `json:"subject"`
	Concerns string    `json:"concerns"`
	State    HoldState `json:"state"`
	At       int64     `json:"at"`
	Ended    int64     `json:"ended"` // 0: not yet
	To       Account   `json:"to"`
	Posted   int64     `json:"posted"` // minor units
}

const (
	holdKind   = "hold"
	heldPrefix = "held/"
)

var holdCodec = storage.NewCodec[holdBody](1)

// HoldKey is the key of a hold's document.
func HoldKey(id string) storage.Key { return storage.Key{Kind: holdKind, ID: id} }

func (a Account) held() Account { return heldPrefix + a }

func (a Account) isHeld() bool { return strings.HasPrefix(string(a), heldPrefix) }

// PlanHold sets an amount aside. The batch is refused with [storage.ErrConflict]
// when there is a hold of this id, and with [storage.ErrLimit] when From has a
// floor and too little. It fails with ErrInvalid.
func PlanHold(r HoldRequest, now time.Time, floors ...Floor) (storage.Plan[Hold], error) {
	if err := r.check(now); err != nil {
		return storage.Plan[Hold]{}, err
	}
	r.Until = r.Until.UTC().Truncate(time.Microsecond)
	h := Hold{HoldRequest: r, State: Held, At: now.UTC().Truncate(time.Microsecond)}
	return h.plan(storage.Record[holdBody]{Key: HoldKey(r.ID)}, h.opening(), floors)
}

// PlanPostHold sends an amount, at most what is held, to where it belongs; the
// rest goes back. It may come late, as long as the hold has not lapsed. A hold
// posted before in the same way gives an empty batch and the hold as it stands.
//
// It fails with ErrHoldEnded and with ErrInvalid.
func PlanPostHold(doc storage.Doc, to Account, amount Money, now time.Time, floors ...Floor) (storage.Plan[Hold], error) {
	h, record, err := readHold(doc)
	if err != nil {
		return storage.Plan[Hold]{}, err
	}
	if h.State == Posted && h.To == to && h.Posted == amount {
		return storage.Plan[Hold]{Answer: h}, nil
	}
	if h.State != Held {
		return storage.Plan[Hold]{}, h.ended("post")
	}
	if err := h.checkPost(to, amount, now); err != nil {
		return storage.Plan[Hold]{}, err
	}
	h.State, h.To, h.Posted = Posted, to, amount
	return h.end(record, now, floors)
}

// PlanVoidHold sends all that is held back. A hold voided or lapsed before gives
// an empty batch and the hold as it stands. It fails with ErrHoldEnded when the
// hold was posted.
func PlanVoidHold(doc storage.Doc, now time.Time, floors ...Floor) (storage.Plan[Hold], error) {
	h, record, err := readHold(doc)
	switch {
	case err != nil:
		return storage.Plan[Hold]{}, err
	case h.State == Posted:
		return storage.Plan[Hold]{}, h.ended("void")
	case h.State != Held:
		return storage.Plan[Hold]{Answer: h}, nil
	case !isInstant(now):
		return storage.Plan[Hold]{}, h.invalid(instantFault(now))
	}
	h.State = Voided
	return h.end(record, now, floors)
}

// PlanLapseHold sends all that is held back because its time is over. It fails
// with ErrHoldEnded, and with ErrInvalid before that time.
func PlanLapseHold(doc storage.Doc, now time.Time, floors ...Floor) (storage.Plan[Hold], error) {
	h, record, err := readHold(doc)
	switch {
	case err != nil:
		return storage.Plan[Hold]{}, err
	case h.State != Held:
		return storage.Plan[Hold]{}, h.ended("lapse")
	case !isInstant(now):
		return storage.Plan[Hold]{}, h.invalid(instantFault(now))
	case now.Before(h.Until):
		return storage.Plan[Hold]{}, h.invalid(fmt.Errorf("it lapses at %s, and it is only %s", h.Until, now))
	}
	h.State = Lapsed
	return h.end(record, now, floors)
}

func (h Hold) end(record storage.Record[holdBody], now time.Time, floors []Floor) (storage.Plan[Hold], error) {
	h.Ended = now.UTC().Truncate(time.Microsecond)
	if h.Ended.Before(h.At) { // a clock that is behind
		h.Ended = h.At
	}
	return h.plan(record, h.ending(), floors)
}

func (h Hold) plan(record storage.Record[holdBody], e Entry, floors []Floor) (storage.Plan[Hold], error) {
	due := int64(0)
	if h.State == Held {
		due = h.Until.UnixMicro()
	}
	record.Value = h.body()
	put, err := holdCodec.Put(record, due)
	if err != nil {
		return storage.Plan[Hold]{}, err
	}
	entry, err := e.Batch(floors...)
	if err != nil {
		return storage.Plan[Hold]{}, err
	}
	batch, err := storage.Join(storage.Batch{Puts: []storage.Put{put}}, entry)
	return storage.Plan[Hold]{Batch: batch, Answer: h}, err
}

// opening is the entry that sets the amount aside.
func (h Hold) opening() Entry {
	e := h.entry("hold", "hold", h.At)
	e.Transfers = []Transfer{{h.From, h.From.held(), h.Amount}}
	return e
}

// ending is the entry that empties the hold. There is one id for all ways to
// end, so that a hold can't end twice.
func (h Hold) ending() Entry {
	e := h.entry("hold-end", "hold-"+string(h.State), h.Ended)
	rest := h.Amount.Minor()
	if h.State == Posted {
		e.Transfers = append(e.Transfers, Transfer{h.From.held(), h.To, h.Posted})
		rest -= h.Posted.Minor()
	}
	if rest > 0 {
		e.Transfers = append(e.Transfers, Transfer{h.From.held(), h.From, Minor(rest, h.Amount.Currency())})
	}
	return e
}

func (h Hold) entry(prefix, kind string, at time.Time) Entry {
	return Entry{ID: prefix + "/" + h.ID, Kind: kind, At: at, Actor: h.Actor, Subject: h.Subject, Concerns: h.Concerns}
}

func (r HoldRequest) check(now time.Time) error {
	var faults []error
	if r.ID == "" || len(r.ID) > MaxHoldID || !isText(r.ID) {
		faults = append(faults, fmt.Errorf("id %.40q: want 1 to %d bytes of UTF-8 without NUL", r.ID, MaxHoldID))
	}
	switch err := r.From.check(); {
	case err != nil:
		faults = append(faults, err)
	case r.From.isHeld():
		faults = append(faults, fmt.Errorf("account %q belongs to holds", r.From))
	case len(r.From.held()) > MaxAccount:
		faults = append(faults, fmt.Errorf("account %q has %d bytes: to be held from it may have %d", r.From, len(r.From), MaxAccount-len(heldPrefix)))
	}
	if r.Amount.Sign() <= 0 || r.Amount.Currency().IsZero() {
		faults = append(faults, fmt.Errorf("its amount %s is not a positive amount of a currency", r.Amount))
	}
	switch {
	case !isInstant(now):
		faults = append(faults, instantFault(now))
	case !isInstant(r.Until) || !r.Until.After(now):
		faults = append(faults, fmt.Errorf("until %s: want an instant after now, %s, and before 10000", r.Until, now))
	}
	if len(faults) == 0 {
		return nil
	}
	return Hold{HoldRequest: r}.invalid(errors.Join(faults...))
}

func (h Hold) checkPost(to Account, amount Money, now time.Time) error {
	var faults []error
	if err := to.check(); err != nil {
		faults = append(faults, err)
	} else if to.isHeld() {
		faults = append(faults, fmt.Errorf("account %q belongs to holds", to))
	}
	if amount.Currency() != h.Amount.Currency() || amount.Sign() <= 0 || amount.Minor() > h.Amount.Minor() {
		faults = append(faults, fmt.Errorf("cannot post %s: want more than zero and at most %s", amount, h.Amount))
	}
	if !isInstant(now) {
		faults = append(faults, instantFault(now))
	}
	if len(faults) == 0 {
		return nil
	}
	return h.invalid(errors.Join(faults...))
}

func (h Hold) invalid(fault error) error {
	return fmt.Errorf("%w: hold %.40q: %w", ErrInvalid, h.ID, fault)
}

func (h Hold) ended(verb string) error {
	return fmt.Errorf("%w: cannot %s hold %q: it was %s at %s", ErrHoldEnded, verb, h.ID, h.State, h.Ended.Format(time.RFC3339))
}

func instantFault(at time.Time) error {
	return fmt.Errorf("the instant %s is not between 1970 and 9999", at)
}

// same says that two requests ask for the same: all but how long.
func (r HoldRequest) same(other HoldRequest) bool {
	r.Until = other.Until
	return r == other
}

func (h Hold) body() holdBody {
	body := holdBody{
		From: h.From, Minor: h.Amount.Minor(), Currency: h.Amount.Currency(), Until: h.Until.UnixMicro(),
		Actor: h.Actor, Subject: h.Subject, Concerns: h.Concerns,
		State: h.State, At: h.At.UnixMicro(), To: h.To, Posted: h.Posted.Minor(),
	}
	if h.State != Held {
		body.Ended = h.Ended.UnixMicro()
	}
	return body
}

func readHold(doc storage.Doc) (Hold, storage.Record[holdBody], error) {
	record, err := holdCodec.Decode(doc)
	if err != nil {
		return Hold{}, record, err
	}
	b := record.Value
	h := Hold{
		HoldRequest: HoldRequest{
			ID: doc.Key.ID, From: b.From, Amount: Minor(b.Minor, b.Currency), Until: time.UnixMicro(b.Until).UTC(),
			Actor: b.Actor, Subject: b.Subject, Concerns: b.Concerns,
		},
		State: b.State, At: time.UnixMicro(b.At).UTC(), To: b.To,
	}
	if b.State != Held {
		h.Ended = time.UnixMicro(b.Ended).UTC()
	}
	if b.State == Posted {
		h.Posted = Minor(b.Posted, b.Currency)
	}
	return h, record, nil
}
