package enginetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// groupCounter counts what is applied together, and hides nothing.
type groupCounter struct {
	*sqlstore.Store
	together int
}

func (s *groupCounter) ApplyEach(ctx context.Context, batches []storage.Batch) []error {
	s.together += len(batches)
	return s.Store.ApplyEach(ctx, batches)
}

// TestIssueBatchTogether: coupons that are issued in few transactions are those that are
// issued step by step, and several workers make together what was asked for, once.
func TestIssueBatchTogether(t *testing.T) {
	for _, e := range usual() {
		t.Run(e.Name, func(t *testing.T) {
			db := e.Open(t, e.DSN(t), 8)
			store, count := e.Store(t, db, sqlstore.Options{}), size(4_100, 100_000)
			counted := &groupCounter{Store: store}
			options := coupon.Options{CodeKey: []byte("0123456789abcdef0123456789abcdef")} // codes follow from it
			issue := func(on storage.Store, workers int) []coupon.Coupon {
				s := coupon.New(on, options)
				_, err := s.Publish(t.Context(), coupon.Offer{ID: "flyer", Name: "flyer", Benefit: coupon.PercentOff{Rate: ledger.MustRate("10")}}, "staff", noon)
				require.NoError(t, err)
				answers := make([]string, workers)
				together(workers, func(i int) {
					made, err := s.IssueBatch(t.Context(), coupon.BatchRequest{ID: "flyers", Offer: "flyer", Count: count}, noon)
					answers[i] = fmt.Sprint(made.Made, err)
				})
				for _, answer := range answers {
					require.Equal(t, fmt.Sprint(count, nil), answer)
				}
				var all []coupon.Coupon
				for len(all) < count {
					some, err := s.Codes(t.Context(), "flyers", len(all)+1, storage.MaxGet)
					require.NoError(t, err)
					require.NotEmpty(t, some)
					all = append(all, some...)
				}
				report, err := coupon.Audit(t.Context(), on)
				require.NoError(t, err)
				require.NoError(t, report.Err())
				return all
			}
			stepwise := issue(storage.Prefixed(store, "stepwise/"), 1)
			require.Equal(t, stepwise, issue(counted, 1))
			require.Positive(t, counted.together)
			other := e.Store(t, e.Open(t, e.DSN(t), 8), sqlstore.Options{})
			require.Equal(t, stepwise, issue(other, 4))
		})
	}
}
