package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// Options of a [Book]. The zero value works: no account has a floor.
type Options struct {
	// Floors are the accounts that cannot fall below a minimum.
	Floors []Floor
}

// Book is the book of entries: what moved between accounts, when and why. It
// keeps no state of its own and is safe for concurrent use.
type Book struct {
	store   storage.Store
	options Options
}

// New opens the book in a store. All programs that write to one book give it
// the same floors.
func New(store storage.Store, o Options) *Book {
	return &Book{store, o}
}

// In is the same book through another store, which is usually the same one bound
// to a transaction. It is a cheap copy.
func (b *Book) In(store storage.Store) *Book { return &Book{store, b.options} }

// Post appends the entry and gives it back as it is kept: transfers summed and
// sorted, the instant in microseconds. An entry posted before, with the same
// content at whatever instant, is given back as it was recorded then.
//
// It fails with ErrInvalid, with ErrKeyReused when the id has other content,
// with an [*InsufficientError] when an account would fall below its floor, and
// with ErrClosed when the month of its instant has been closed.
func (b *Book) Post(ctx context.Context, e Entry) (Entry, error) {
	e, err := e.normal()
	if err != nil {
		return Entry{}, err
	}
	for _, t := range e.Transfers {
		if t.From.isHeld() || t.To.isHeld() {
			return Entry{}, fmt.Errorf("%w: entry %q: accounts under %q belong to holds: post or void the hold", ErrInvalid, e.ID, heldPrefix)
		}
	}
	batch, err := e.Batch(b.options.Floors...)
	if err != nil {
		return Entry{}, err
	}
	err = b.store.Apply(ctx, batch)
	if err == nil {
		return e, nil
	}
	return b.recorded(ctx, e, err)
}

// recorded is the entry as it was posted before, or why it was refused.
func (b *Book) recorded(ctx context.Context, e Entry, refusal error) (Entry, error) {
	if !errors.Is(refusal, storage.ErrConflict) {
		return Entry{}, b.Explain(ctx, refusal, e)
	}
	found, exists, err := readEntry(ctx, b.store, e.ID)
	switch {
	case err != nil:
		return Entry{}, err
	case exists && found.same(e):
		return found, nil
	case exists:
		return Entry{}, fmt.Errorf("%w: entry %q", ErrKeyReused, e.ID)
	}
	return Entry{}, b.Explain(ctx, refusal, e)
}

// Explain puts a store's refusal of a batch in which these entries were into the
// book's words: an [*InsufficientError], or ErrClosed. Any other error stays as
// it is.
func (b *Book) Explain(ctx context.Context, refusal error, entries ...Entry) error {
	var failure *storage.Failure
	if !errors.As(refusal, &failure) {
		return refusal
	}
	for _, e := range entries {
		if failure.Key == MonthKey(e.At) {
			return fmt.Errorf("%w: entry %q is dated %s", ErrClosed, e.ID, e.At.Format(time.RFC3339))
		}
		movements, err := movements(e.Transfers)
		if err != nil {
			return err
		}
		for _, m := range movements {
			if failure.Op == storage.OpAdd && failure.Counter == balanceCounter(m.account, m.currency) && m.delta < 0 {
				return b.insufficient(ctx, m)
			}
		}
	}
	return refusal
}

func (b *Book) insufficient(ctx context.Context, m movement) error {
	found, err := b.Balance(ctx, m.account, m.currency)
	if err != nil {
		return err
	}
	needed, err := Minor(m.delta, m.currency).Neg()
	if err != nil {
		return err
	}
	return &InsufficientError{m.account, found, needed}
}

// readEntry reads an entry with all its parts.
func readEntry(ctx context.Context, store storage.Store, id string) (Entry, bool, error) {
	docs, _, err := store.Get(ctx, []storage.Key{EntryKey(id)})
	if err != nil || len(docs) == 0 {
		return Entry{}, false, err
	}
	first, err := entryCodec.Decode(docs[0])
	if err != nil {
		return Entry{}, false, err
	}
	e := first.Value.entry(id)
	if first.Value.Parts <= 1 {
		return e, true, nil
	}
	var keys []storage.Key
	for part := 2; part <= min(first.Value.Parts, MaxTransfers); part++ {
		keys = append(keys, partKey(id, part))
	}
	docs, _, err = store.Get(ctx, keys)
	if err != nil {
		return Entry{}, false, err
	}
	for _, doc := range docs {
		part, err := entryCodec.Decode(doc)
		if err != nil {
			return Entry{}, false, err
		}
		e.Transfers = append(e.Transfers, part.Value.entry(id).Transfers...)
	}
	return e, true, nil
}

// Entry reads an entry. exists is false when there is none of this id.
func (b *Book) Entry(ctx context.Context, id string) (e Entry, exists bool, err error) {
	return readEntry(ctx, b.store, id)
}

// Balance is what the account has now, in one currency: what came in less what
// went out. For an account with a floor it is one counter; for others it is
// summed from the last closed month on.
func (b *Book) Balance(ctx context.Context, a Account, c Currency) (Money, error) {
	if err := a.check(); err != nil {
		return Money{}, fmt.Errorf("%w: balance: %w", ErrInvalid, err)
	}
	if c.IsZero() {
		return Money{}, fmt.Errorf("%w: balance of %s: an amount needs a currency", ErrInvalid, a)
	}
	if _, has := floorOf(a, b.options.Floors); has {
		counter := balanceCounter(a, c)
		_, values, err := b.store.Get(ctx, nil, counter)
		return Minor(values[counter], c), err
	}
	balances, err := openingAt(ctx, b.store, a, 0)
	return Minor(balances[c], c), err
}
