package storetest_test

import (
	"context"
	"math"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// grouping is a store that applies groups in a way of its own.
type grouping struct {
	storage.Store
	each func(context.Context, storage.Store, []storage.Batch) []error
}

func (g grouping) ApplyEach(ctx context.Context, batches []storage.Batch) []error {
	return g.each(ctx, g.Store, batches)
}

func newGrouping(each func(context.Context, storage.Store, []storage.Batch) []error) func() storage.Store {
	return func() storage.Store { return grouping{memory.New(), each} }
}

// oneAfterTheOther is as it should be.
func oneAfterTheOther(ctx context.Context, s storage.Store, batches []storage.Batch) []error {
	answers := make([]error, len(batches))
	for i, b := range batches {
		answers[i] = s.Apply(ctx, b)
	}
	return answers
}

// allOrNone applies a group as one batch, so that a refused one takes its
// neighbours with it.
func allOrNone(ctx context.Context, s storage.Store, batches []storage.Batch) []error {
	joined, err := storage.Join(batches...)
	if err == nil {
		err = s.Apply(ctx, joined)
	}
	answers := make([]error, len(batches))
	for i := range answers {
		answers[i] = err
	}
	return answers
}

// judgedApart judges each batch of a group by what was there before all of them.
func judgedApart(ctx context.Context, s storage.Store, batches []storage.Batch) []error {
	answers := make([]error, len(batches))
	for i, b := range batches {
		for _, a := range b.Adds {
			_, values, err := s.Get(ctx, nil, a.Counter)
			if err != nil {
				return answers
			}
			if _, allowed := a.After(values[a.Counter]); !allowed {
				answers[i] = storage.Op{Add: &a}.Failure()
			}
		}
	}
	for i, b := range batches {
		if answers[i] == nil {
			answers[i] = s.Apply(ctx, boundlessBatch(b))
		}
	}
	return answers
}

func boundlessBatch(b storage.Batch) storage.Batch {
	adds := make([]storage.Add, len(b.Adds))
	for i, a := range b.Adds {
		adds[i] = storage.Add{Counter: a.Counter, Delta: a.Delta, Min: math.MinInt64, Max: math.MaxInt64}
	}
	b.Adds = adds
	return b
}
