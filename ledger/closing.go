package ledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// When a month is closed, all in UTC.
const (
	closeAfter  = 48 * time.Hour // after its end, no more entries are dated in it
	settleAfter = 24 * time.Hour // after that, its balances are written
)

const (
	balanceKind  = "balance"
	progressID   = "" // among the months, which are at least 7 bytes
	closingChunk = 500
)

// closingBody is what an account had at the end of a month. It is written once.
type closingBody struct {
	Account  Account  `json:"account"`
	Until    int64    `json:"until"` // unix microseconds: the end of the month
	Balances balances `json:"balances"`
}

// monthBody says that no more entries are dated in the month.
type monthBody struct {
	At int64 `json:"at"` // unix microseconds: when that was decided
}

// progressBody says up to where balances are written.
type progressBody struct {
	Until int64 `json:"until"` // unix microseconds: the end of a month
}

var (
	closingCodec  = storage.NewCodec[closingBody](1)
	monthCodec    = storage.NewCodec[monthBody](1)
	progressCodec = storage.NewCodec[progressBody](1)
)

// CloseMonths closes the months, in UTC, that are over, so that statements and
// balances need not read from the beginning. Call it once a day; several
// processes may do so at once. Done counts the months whose balances were
// written, Next is when there will be more to do.
//
// It takes two steps. 48 hours after its end, by this clock and by the newest
// entry, a month takes no more entries: they are refused with ErrClosed. 24
// hours later the balances of its accounts are written. A closed month stays
// right as long as no transaction stays open for those 24 hours; [Audit]
// compares it with the entries all the same.
//
// A clock that is ahead cannot close months alone: the newest entry must agree.
func (b *Book) CloseMonths(ctx context.Context, now time.Time) (Report, error) {
	if !isInstant(now) {
		return Report{}, fmt.Errorf("%w: the instant %s is not between 1970 and 9999", ErrInvalid, now)
	}
	report := Report{}
	next, err := b.shutMonths(ctx, now)
	if err == nil {
		err = b.settleMonths(ctx, now, &report)
	}
	if err != nil {
		return report, fmt.Errorf("ledger: closing months: %w", err)
	}
	if report.Next.IsZero() {
		report.Next = next
	}
	return report, nil
}

// monthOf is the first instant of a month in UTC.
func monthOf(at time.Time) time.Time {
	at = at.UTC()
	return date(at.Year(), at.Month(), 1)
}

func monthAfter(month time.Time) time.Time { return month.AddDate(0, 1, 0) }

// shutMonths lets no more entries into the months that ended long enough ago,
// from 1970 on: an entry with an old date would be missing in all later
// balances. It answers when the next month can be shut.
func (b *Book) shutMonths(ctx context.Context, now time.Time) (time.Time, error) {
	newest, err := b.store.List(ctx, storage.Query{Kind: entryKind, List: bookList, Newest: true, Limit: 1})
	if err != nil || len(newest.Docs) == 0 {
		return time.Time{}, err
	}
	entry, err := entryCodec.Decode(newest.Docs[0])
	if err != nil {
		return time.Time{}, err
	}
	latest := time.UnixMicro(min(now.UnixMicro(), entry.Value.At))
	for range applyAttempts {
		month, err := b.firstOpenMonth(ctx)
		if err != nil {
			return time.Time{}, err
		}
		var batch storage.Batch
		for ; !latest.Before(monthAfter(month).Add(closeAfter)) && len(batch.Puts) < closingChunk; month = monthAfter(month) {
			put, err := monthCodec.Put(storage.Record[monthBody]{Key: MonthKey(month), Value: monthBody{now.UnixMicro()}}, 0)
			if err != nil {
				return time.Time{}, err
			}
			batch.Puts = append(batch.Puts, put)
		}
		if batch.Empty() {
			return monthAfter(month).Add(closeAfter), nil
		}
		if err := b.store.Apply(ctx, batch); err != nil && !errors.Is(err, storage.ErrConflict) {
			return time.Time{}, err
		}
	}
	return time.Time{}, fmt.Errorf("%w: other processes keep closing months: try again later", storage.ErrConflict)
}

func (b *Book) firstOpenMonth(ctx context.Context) (time.Time, error) {
	page, err := b.store.List(ctx, storage.Query{Kind: monthKind, Newest: true, Limit: 1})
	if err != nil || len(page.Docs) == 0 || page.Docs[0].Key.ID == progressID {
		return date(1970, time.January, 1), err
	}
	month, err := time.Parse("2006-01", page.Docs[0].Key.ID)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %s: its id is not a month", storage.ErrCorrupt, page.Docs[0].Key)
	}
	return monthAfter(month), nil
}

// settleMonths writes the balances of the months that were shut long enough ago.
func (b *Book) settleMonths(ctx context.Context, now time.Time, report *Report) error {
	progress, err := b.progress(ctx)
	if err != nil {
		return err
	}
	for {
		month, err := b.nextMonth(ctx, progress.Value.Until)
		if err != nil || month.IsZero() {
			return err
		}
		docs, _, err := b.store.Get(ctx, []storage.Key{MonthKey(month)})
		if err != nil || len(docs) == 0 {
			return err
		}
		shut, err := monthCodec.Decode(docs[0])
		if err != nil {
			return err
		}
		if settled := time.UnixMicro(shut.Value.At).Add(settleAfter).UTC(); now.Before(settled) {
			report.Next = settled
			return nil
		}
		if err := b.settle(ctx, month); err != nil {
			return err
		}
		progress.Value.Until = monthAfter(month).UnixMicro()
		put, err := progressCodec.Put(progress, 0)
		if err != nil {
			return err
		}
		switch err := b.store.Apply(ctx, storage.Batch{Puts: []storage.Put{put}}); {
		case errors.Is(err, storage.ErrConflict):
			return nil // another process is at it, and will go on
		case err != nil:
			return err
		}
		progress.Version++
		report.Done++
	}
}

func (b *Book) progress(ctx context.Context) (storage.Record[progressBody], error) {
	key := storage.Key{Kind: monthKind, ID: progressID}
	docs, _, err := b.store.Get(ctx, []storage.Key{key})
	if err != nil || len(docs) == 0 {
		return storage.Record[progressBody]{Key: key}, err
	}
	return progressCodec.Decode(docs[0])
}

// nextMonth is the first month with entries from the instant on; zero: none.
func (b *Book) nextMonth(ctx context.Context, from int64) (time.Time, error) {
	page, err := b.store.List(ctx, storage.Query{Kind: entryKind, List: bookList, From: from, Limit: 1})
	if err != nil || len(page.Docs) == 0 {
		return time.Time{}, err
	}
	record, err := entryCodec.Decode(page.Docs[0])
	return monthOf(time.UnixMicro(record.Value.At)), err
}

// settle writes the balances of all accounts that moved in the month.
func (b *Book) settle(ctx context.Context, month time.Time) error {
	end := monthAfter(month)
	moved := make(map[Account]balances)
	query := storage.Query{
		Kind: entryKind, List: bookList, From: month.UnixMicro(), Until: end.UnixMicro(), Limit: storage.MaxPage,
	}
	err := eachEntry(ctx, b.store, query, func(doc storage.Doc, body *entryBody) error {
		for _, account := range body.accounts() {
			if moved[account] == nil {
				moved[account] = balances{}
			}
			if _, err := moved[account].add(account, doc.Key.ID, body); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(moved)), closingChunk) {
		if err := b.writeClosings(ctx, end, chunk, moved); err != nil {
			return err
		}
	}
	return nil
}

// writeClosings writes those balances that are not there yet: an earlier call
// may have ended halfway.
func (b *Book) writeClosings(ctx context.Context, end time.Time, accounts []Account, moved map[Account]balances) error {
	for range applyAttempts {
		batch, err := b.closings(ctx, end, accounts, moved)
		if err != nil {
			return err
		}
		if err = b.store.Apply(ctx, batch); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("%w: other processes keep writing balances: try again later", storage.ErrConflict)
}

func (b *Book) closings(ctx context.Context, end time.Time, accounts []Account, moved map[Account]balances) (storage.Batch, error) {
	keys := make([]storage.Key, len(accounts))
	for i, account := range accounts {
		keys[i] = closingKey(account, end)
	}
	docs, _, err := b.store.Get(ctx, keys)
	if err != nil {
		return storage.Batch{}, err
	}
	var batch storage.Batch
	for i, account := range accounts {
		if slices.ContainsFunc(docs, func(doc storage.Doc) bool { return doc.Key == keys[i] }) {
			continue
		}
		opening, _, err := lastClosing(ctx, b.store, account, end.UnixMicro())
		if err != nil {
			return storage.Batch{}, err
		}
		sum, err := opening.merge(moved[account])
		if err != nil {
			return storage.Batch{}, err
		}
		record := storage.Record[closingBody]{Key: keys[i], Value: closingBody{account, end.UnixMicro(), sum}}
		put, err := closingCodec.Put(record, 0, storage.Listing{List: accountList(account), Place: end.UnixMicro()})
		if err != nil {
			return storage.Batch{}, err
		}
		batch.Puts = append(batch.Puts, put)
	}
	return batch, nil
}

// closingKey starts with the month, so that one month's balances stand together.
func closingKey(a Account, end time.Time) storage.Key {
	return storage.Key{Kind: balanceKind, ID: end.AddDate(0, -1, 0).Format("2006-01") + "/" + string(a)}
}

// lastClosing is the account's balances at the end of its last closed month, at
// the instant (0: any) or before, and when that was. Without one they are empty,
// from the beginning.
func lastClosing(ctx context.Context, store storage.Store, a Account, at int64) (balances, int64, error) {
	query := storage.Query{Kind: balanceKind, List: accountList(a), Newest: true, Limit: 1}
	if at != 0 {
		query.Until = at + 1
	}
	page, err := store.List(ctx, query)
	if err != nil || len(page.Docs) == 0 {
		return balances{}, 0, err
	}
	record, err := closingCodec.Decode(page.Docs[0])
	if err != nil {
		return nil, 0, err
	}
	if record.Value.Balances == nil {
		return nil, 0, fmt.Errorf("%w: %s: it has no balances", storage.ErrCorrupt, record.Key)
	}
	return record.Value.Balances, record.Value.Until, nil
}
