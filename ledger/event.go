package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// MaxSubject is the longest subject of an event, in bytes.
const MaxSubject = 170

const eventKind = "event"

// Event tells the shop's mailer, or whoever listens, that something happened. It
// is written in the batch of what it tells of, waits in the store, and is
// dropped once it was delivered ([Deliver]).
type Event struct {
	Subject string          // whose events are delivered in order: a referral, an order
	Version int64           // the event's place in that order, from 1: the version of the subject's document
	Kind    string          // what happened
	At      time.Time       // it is not delivered before this instant
	Data    json.RawMessage // what the listener needs to know; may be empty
}

type eventBody struct {
	Subject string          `json:"subject"`
	Version int64           `json:"version"`
	Kind    string          `json:"kind"`
	At      int64           `json:"at"` // unix microseconds
	Data    json.RawMessage `json:"data"`
}

var eventCodec = storage.NewCodec[eventBody](1)

// Put writes the event, once: a second event of the same subject and version is
// refused with [storage.ErrConflict]. It fails with ErrInvalid.
func (e Event) Put() (storage.Put, error) {
	if err := e.check(); err != nil {
		return storage.Put{}, err
	}
	body := eventBody{e.Subject, e.Version, e.Kind, e.At.UnixMicro(), e.Data}
	record := storage.Record[eventBody]{
		Key:   storage.Key{Kind: eventKind, ID: fmt.Sprintf("%s/%019d", e.Subject, e.Version)},
		Value: body,
	}
	return eventCodec.Put(record, body.At, storage.Listing{List: subjectList(e.Subject), Place: e.Version})
}

func subjectList(subject string) string { return "subject/" + subject }

func (e Event) check() error {
	var faults []error
	if e.Subject == "" || len(e.Subject) > MaxSubject || !isText(e.Subject) {
		faults = append(faults, fmt.Errorf("subject %.40q: want 1 to %d bytes of UTF-8 without NUL", e.Subject, MaxSubject))
	}
	if e.Version < 1 {
		faults = append(faults, fmt.Errorf("version %d: versions start at 1", e.Version))
	}
	if e.Kind == "" || len(e.Kind) > MaxText || !isText(e.Kind) {
		faults = append(faults, fmt.Errorf("kind %.40q: want 1 to %d bytes of UTF-8 without NUL", e.Kind, MaxText))
	}
	if !isInstant(e.At) {
		faults = append(faults, fmt.Errorf("the instant %s is not between 1970 and 9999", e.At))
	}
	if len(e.Data) > 0 && !json.Valid(e.Data) {
		faults = append(faults, errors.New("its data is not JSON"))
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: event: %w", ErrInvalid, errors.Join(faults...))
}

func isInstant(at time.Time) bool {
	year := at.UTC().Year()
	return year >= 1970 && year <= 9999 && at.UnixMicro() > 0
}

func (b eventBody) event() Event {
	return Event{b.Subject, b.Version, b.Kind, time.UnixMicro(b.At).UTC(), b.Data}
}
