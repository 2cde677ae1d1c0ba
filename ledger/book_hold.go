package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// Hold sets an amount aside. A hold made before under this id, for the same
// amount of the same account and the same reason, is given back as it stands
// now, whatever its Until.
//
// It fails with ErrInvalid, with ErrKeyReused, and with an [*InsufficientError]
// when the account has a floor and too little.
func (b *Book) Hold(ctx context.Context, r HoldRequest, now time.Time) (Hold, error) {
	plan, err := PlanHold(r, now, b.options.Floors...)
	if err != nil {
		return Hold{}, err
	}
	refusal := b.store.Apply(ctx, plan.Batch)
	if refusal == nil {
		return plan.Answer, nil
	}
	if errors.Is(refusal, storage.ErrConflict) {
		docs, _, err := b.store.Get(ctx, []storage.Key{HoldKey(r.ID)})
		if err != nil {
			return Hold{}, err
		}
		if len(docs) > 0 {
			return recordedHold(docs[0], r)
		}
	}
	return Hold{}, b.Explain(ctx, refusal, plan.Answer.opening())
}

func recordedHold(doc storage.Doc, r HoldRequest) (Hold, error) {
	h, _, err := readHold(doc)
	if err != nil {
		return Hold{}, err
	}
	if !h.same(r) {
		return Hold{}, fmt.Errorf("%w: hold %q", ErrKeyReused, r.ID)
	}
	return h, nil
}

// PostHold sends an amount, at most what is held, to where it belongs; the rest
// goes back. It may come after the hold's time, as long as no sweep has let the
// hold lapse. Done again in the same way, it gives the same answer.
//
// It fails with ErrNoHold, ErrHoldEnded and ErrInvalid.
func (b *Book) PostHold(ctx context.Context, id string, to Account, amount Money, now time.Time) (Hold, error) {
	return b.endHold(ctx, id, func(doc storage.Doc) (storage.Plan[Hold], error) {
		return PlanPostHold(doc, to, amount, now, b.options.Floors...)
	})
}

// Void sends all that is held back. A hold that was voided or has lapsed is
// given back as it stands.
//
// It fails with ErrNoHold and, when it was posted, with ErrHoldEnded.
func (b *Book) Void(ctx context.Context, id string, now time.Time) (Hold, error) {
	return b.endHold(ctx, id, func(doc storage.Doc) (storage.Plan[Hold], error) {
		return PlanVoidHold(doc, now, b.options.Floors...)
	})
}

func (b *Book) endHold(ctx context.Context, id string, decide func(storage.Doc) (storage.Plan[Hold], error)) (Hold, error) {
	var refusal error
	for range applyAttempts {
		docs, _, err := b.store.Get(ctx, []storage.Key{HoldKey(id)})
		if err != nil {
			return Hold{}, err
		}
		if len(docs) == 0 {
			return Hold{}, fmt.Errorf("%w: %q", ErrNoHold, id)
		}
		plan, err := decide(docs[0])
		if err != nil {
			return Hold{}, err
		}
		refusal = b.store.Apply(ctx, plan.Batch)
		if refusal == nil {
			return plan.Answer, nil
		}
		refusal = b.Explain(ctx, refusal, plan.Answer.ending())
		if !errors.Is(refusal, storage.ErrConflict) {
			break
		}
	}
	return Hold{}, refusal
}

// LapseHolds sends back what is held and whose time is over.
func (b *Book) LapseHolds(ctx context.Context, o SweepOptions) (Report, error) {
	o.Kind = holdKind
	return Sweep(ctx, b.store, o, func(_ context.Context, _ storage.Store, doc storage.Doc) (storage.Batch, error) {
		plan, err := PlanLapseHold(doc, o.Now, b.options.Floors...)
		return plan.Batch, err
	})
}
