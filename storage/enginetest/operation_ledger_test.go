package enginetest

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

func ledgerOperations() map[string]operation {
	spend := func(amount string) ledger.Entry {
		return credited("spent", "credit/jane", "sales", amount)
	}
	hold := ledger.HoldRequest{ID: "hold", From: "credit/jane", Amount: ledger.MustMoney("3.00", eur), Until: noon.Add(time.Minute)}
	more := hold
	more.Amount = ledger.MustMoney("4.00", eur)
	holding := func(ctx context.Context, s services) error {
		if err := credit(ctx, s); err != nil {
			return err
		}
		return only(s.book.Hold(ctx, hold, noon))
	}
	once := func(ctx context.Context, s services, n int64) (int64, error) {
		return ledger.Once(ctx, s.store, "once", n, noon, func(context.Context) (storage.Plan[int64], error) {
			return storage.Plan[int64]{Batch: storage.Batch{Adds: []storage.Add{{Counter: "n", Delta: n, Max: math.MaxInt64}}}, Answer: n}, nil
		})
	}
	return map[string]operation{
		"ledger.Book.Post": {credit, always(asking{
			ask: func(ctx context.Context, s services, _ time.Time) (any, error) {
				return s.book.Post(ctx, spend("5.00"))
			},
			other: func(ctx context.Context, s services) error { return only(s.book.Post(ctx, spend("4.00"))) },
		})},
		"ledger.Book.Hold": {credit, always(asking{
			ask:   func(ctx context.Context, s services, at time.Time) (any, error) { return s.book.Hold(ctx, hold, at) },
			other: func(ctx context.Context, s services) error { return only(s.book.Hold(ctx, more, noon)) },
		})},
		"ledger.Book.PostHold": {holding, always(asking{
			ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return s.book.PostHold(ctx, "hold", "sales", ledger.MustMoney("2.00", eur), at)
			},
		})},
		"ledger.Book.Void": {holding, always(asking{
			ask: func(ctx context.Context, s services, at time.Time) (any, error) { return s.book.Void(ctx, "hold", at) },
		})},
		"ledger.Book.LapseHolds": {holding, always(asking{
			ask: func(ctx context.Context, s services, at time.Time) (any, error) {
				return s.book.LapseHolds(ctx, ledger.SweepOptions{Now: at.Add(time.Hour)})
			},
			outcome: balance,
		})},
		"ledger.Book.CloseMonths": {
			func(ctx context.Context, s services) error {
				for i, month := range []time.Month{time.July, time.August} {
					e := credited(fmt.Sprint(month), "promotions", "credit/jane", "7.00")
					e.At = time.Date(2026, month, 3+i, 0, 0, 0, 0, time.UTC)
					if _, err := s.book.Post(ctx, e); err != nil {
						return err
					}
				}
				if err := credit(ctx, s); err != nil {
					return err
				}
				return only(s.book.CloseMonths(ctx, noon.Add(-24*time.Hour))) // shuts the months that are settled at noon
			},
			always(asking{
				ask: func(ctx context.Context, s services, at time.Time) (any, error) { return s.book.CloseMonths(ctx, at) },
				outcome: func(ctx context.Context, s services) (any, error) {
					page, err := s.store.List(ctx, storage.Query{Kind: "balance"})
					return len(page.Docs), err
				},
			}),
		},
		"ledger.Once": {nil, always(asking{
			ask:   func(ctx context.Context, s services, _ time.Time) (any, error) { return once(ctx, s, 5) },
			other: func(ctx context.Context, s services) error { return only(once(ctx, s, 6)) },
		})},
		"ledger.SweepOperations": {
			func(ctx context.Context, s services) error { return only(once(ctx, s, 5)) },
			always(asking{
				ask: func(ctx context.Context, s services, at time.Time) (any, error) {
					return ledger.SweepOperations(ctx, s.store, ledger.SweepOptions{Now: at.Add(2 * ledger.OperationLife)})
				},
				outcome: remaining("operation"),
			}),
		},
		"ledger.Sweep": {
			func(ctx context.Context, s services) error {
				return s.store.Apply(ctx, storage.Batch{Puts: []storage.Put{{Key: docKey("due"), Due: noon.UnixMicro(), Body: []byte(`{}`)}}})
			},
			always(asking{
				ask: func(ctx context.Context, s services, at time.Time) (any, error) {
					return ledger.Sweep(ctx, s.store, ledger.SweepOptions{Kind: "doc", Now: at}, func(_ context.Context, _ storage.Store, doc storage.Doc) (storage.Batch, error) {
						return storage.Batch{
							Drops: []storage.Drop{{Key: doc.Key, Version: doc.Version}},
							Puts:  []storage.Put{{Key: docKey("was swept"), Body: []byte(`{}`)}},
						}, nil
					})
				},
				outcome: remaining("doc"),
			}),
		},
		"ledger.Deliver": {
			func(ctx context.Context, s services) error {
				var b storage.Batch
				for version := range int64(2) {
					put, err := ledger.Event{Subject: "jane", Version: version + 1, Kind: "told", At: noon}.Put()
					if err != nil {
						return err
					}
					b.Puts = append(b.Puts, put)
				}
				return s.store.Apply(ctx, b)
			},
			func(context.Context, services) (asking, error) {
				var told int64
				return asking{
					ask: func(ctx context.Context, s services, at time.Time) (any, error) {
						return ledger.Deliver(ctx, s.store, ledger.DeliverOptions{Now: at}, func(_ context.Context, e ledger.Event) error {
							if told > 0 && e.Version > told+1 {
								return fmt.Errorf("version %d was told before %d", e.Version, told+1)
							}
							told = max(told, e.Version)
							return nil
						})
					},
					outcome: remaining("event"),
				}, nil
			},
		},
	}
}

func credited(id string, from, to ledger.Account, amount string) ledger.Entry {
	return ledger.Entry{ID: id, Kind: "test", At: noon, Transfers: []ledger.Transfer{{From: from, To: to, Amount: ledger.MustMoney(amount, eur)}}}
}

// credit gives jane 10.00.
func credit(ctx context.Context, s services) error {
	return only(s.book.Post(ctx, credited("credit", "promotions", "credit/jane", "10.00")))
}

func balance(ctx context.Context, s services) (any, error) {
	return s.book.Balance(ctx, "credit/jane", eur)
}

// remaining counts the documents of a kind.
func remaining(kind string) func(context.Context, services) (any, error) {
	return func(ctx context.Context, s services) (any, error) {
		page, err := s.store.List(ctx, storage.Query{Kind: kind})
		return len(page.Docs), err
	}
}
