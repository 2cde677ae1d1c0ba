package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// OperationLife is how long an operation is remembered.
const OperationLife = 90 * 24 * time.Hour

const (
	operationKind = "operation"
	applyAttempts = 10 // before a conflict that comes back each time is handed to the caller
)

// Operation is the memory of something done where no document has a natural key
// that would remember it: what was asked, as a fingerprint, and the answer that
// was given. It is written in the same batch as what it did.
//
// It is remembered for OperationLife, until [SweepOperations] drops it. An id is
// made for one operation (a UUID from the client) and never used for another.
type Operation struct {
	ID          string // 1 to 190 bytes
	Fingerprint string // of what was asked, from Fingerprint
	At          time.Time
	Answer      json.RawMessage
}

type operationBody struct {
	Fingerprint string          `json:"fingerprint"`
	At          int64           `json:"at"` // unix microseconds
	Answer      json.RawMessage `json:"answer"`
}

var operationCodec = storage.NewCodec[operationBody](1)

// OperationKey is the key of the document that remembers the operation.
func OperationKey(id string) storage.Key { return storage.Key{Kind: operationKind, ID: id} }

// Put writes the operation, once: a second one of the same id is refused with
// [storage.ErrConflict].
func (o Operation) Put() (storage.Put, error) {
	if o.ID == "" || o.Fingerprint == "" || o.At.UnixMicro() <= 0 {
		return storage.Put{}, fmt.Errorf("%w: operation %q: want an id, a fingerprint and an instant after 1970", ErrInvalid, o.ID)
	}
	return operationCodec.Put(storage.Record[operationBody]{
		Key:   OperationKey(o.ID),
		Value: operationBody{o.Fingerprint, o.At.UnixMicro(), o.Answer},
	}, o.At.Add(OperationLife).UnixMicro())
}

// ReadOperation reads what was remembered. It fails with ErrKeyReused when
// something else was asked then.
func ReadOperation(doc storage.Doc, fingerprint string) (Operation, error) {
	record, err := operationCodec.Decode(doc)
	if err != nil {
		return Operation{}, err
	}
	if record.Value.Fingerprint != fingerprint {
		return Operation{}, fmt.Errorf("%w: operation %q: use a new id", ErrKeyReused, doc.Key.ID)
	}
	return Operation{doc.Key.ID, fingerprint, time.UnixMicro(record.Value.At).UTC(), record.Value.Answer}, nil
}

// Fingerprint is a short text that two values share only when they have the same
// JSON form. Put into it all that was asked for, and nothing that differs when
// the same is asked again: not the instant, not what a catalogue said then.
func Fingerprint(asked any) (string, error) {
	text, err := json.Marshal(asked)
	if err != nil {
		return "", fmt.Errorf("ledger: cannot take a fingerprint: %w", err)
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// Once does an operation at most once under its id: it applies what plan
// decides together with the memory of it, and answers a repetition from memory.
// asked is what the fingerprint is taken of. When the plan's batch is refused
// because the store has moved on, plan is asked again, up to 10 times.
//
// It fails with ErrKeyReused when the id remembers something else. An error of
// plan is a refusal: it is returned as it is, and not remembered. The answer of
// a repetition has been through JSON.
func Once[A any](ctx context.Context, store storage.Store, id string, asked any, now time.Time,
	plan func(context.Context) (storage.Plan[A], error),
) (A, error) {
	var none A
	fingerprint, err := Fingerprint(asked)
	if err != nil {
		return none, err
	}
	for attempt := 1; ; attempt++ {
		docs, _, err := store.Get(ctx, []storage.Key{OperationKey(id)})
		if err != nil {
			return none, err
		}
		if len(docs) > 0 {
			return recordedAnswer[A](docs[0], fingerprint)
		}
		decided, err := plan(ctx)
		if err != nil {
			return none, err
		}
		batch, err := withOperation(decided, Operation{ID: id, Fingerprint: fingerprint, At: now})
		if err != nil {
			return none, err
		}
		err = store.Apply(ctx, batch)
		if err == nil {
			return decided.Answer, nil
		}
		if !refused(err) || attempt == applyAttempts {
			return none, err
		}
	}
}

func withOperation[A any](decided storage.Plan[A], o Operation) (storage.Batch, error) {
	answer, err := json.Marshal(decided.Answer)
	if err != nil {
		return storage.Batch{}, fmt.Errorf("ledger: cannot remember the answer of operation %q: %w", o.ID, err)
	}
	o.Answer = answer
	put, err := o.Put()
	if err != nil {
		return storage.Batch{}, err
	}
	return storage.Join(decided.Batch, storage.Batch{Puts: []storage.Put{put}})
}

func recordedAnswer[A any](doc storage.Doc, fingerprint string) (A, error) {
	var answer A
	operation, err := ReadOperation(doc, fingerprint)
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(operation.Answer, &answer); err != nil {
		return answer, fmt.Errorf("%w: %s: its answer is of another type: %w", storage.ErrCorrupt, doc.Key, err)
	}
	return answer, nil
}

// refused says that a batch was judged and refused, so that reading and
// deciding again may help.
func refused(err error) bool {
	return errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrLimit)
}

// SweepOperations forgets the operations whose time is over.
func SweepOperations(ctx context.Context, store storage.Store, o SweepOptions) (Report, error) {
	o.Kind = operationKind
	return Sweep(ctx, store, o, func(_ context.Context, _ storage.Store, doc storage.Doc) (storage.Batch, error) {
		return storage.Batch{Drops: []storage.Drop{{Key: doc.Key, Version: doc.Version}}}, nil
	})
}
