package ledger_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

func Example_holdAndPost() {
	ctx, now := context.Background(), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	book := ledger.New(memory.New(), ledger.Options{Floors: []ledger.Floor{{Prefix: "credit/"}}})
	eur := ledger.MustCurrency("EUR")
	_, _ = book.Post(ctx, ledger.Entry{ID: "reward/42", Kind: "reward", At: now, Transfers: []ledger.Transfer{
		{From: "promotions/platform", To: "credit/jane", Amount: ledger.MustMoney("10.00", eur)},
	}})

	// While the card is being charged for the rest, 8.00 of Jane's credit waits.
	_, err := book.Hold(ctx, ledger.HoldRequest{
		ID: "order/1001", From: "credit/jane", Amount: ledger.MustMoney("8.00", eur), Until: now.Add(15 * time.Minute),
	}, now)
	left, _ := book.Balance(ctx, "credit/jane", eur)
	fmt.Println("held, she has", left, err)

	// One line could not be delivered: 6.50 are needed.
	hold, err := book.PostHold(ctx, "order/1001", "sales", ledger.MustMoney("6.50", eur), now.Add(time.Minute))
	left, _ = book.Balance(ctx, "credit/jane", eur)
	fmt.Println(hold.State, hold.Posted, "she has", left, err)

	_, err = book.Void(ctx, "order/1001", now.Add(time.Hour))
	fmt.Println(err)
	// Output:
	// held, she has 2.00 EUR <nil>
	// posted 6.50 EUR she has 3.50 EUR <nil>
	// ledger: the hold has ended: cannot void hold "order/1001": it was posted at 2026-11-20T12:01:00Z
}

// credited is a book in which jane has a credit of 10.00.
func credited(t require.TestingT, store storage.Store) *ledger.Book {
	book := ledger.New(store, creditFloor)
	_, err := book.Post(context.Background(), ledger.Entry{ID: "in", Kind: "reward", At: noon, Transfers: []ledger.Transfer{
		transfer("promotions", "credit/jane", "10.00"),
	}})
	require.NoError(t, err)
	return book
}

func holdOf(id, amount string) ledger.HoldRequest {
	return ledger.HoldRequest{ID: id, From: "credit/jane", Amount: euros(amount), Until: noon.Add(time.Hour), Subject: "jane"}
}

func requireBalance(t require.TestingT, book *ledger.Book, account ledger.Account, amount string) {
	balance, err := book.Balance(context.Background(), account, eur)
	require.NoError(t, err)
	require.Equal(t, euros(amount), balance, account)
}

func TestHoldGolden(t *testing.T) {
	made, err := ledger.PlanHold(holdOf("order/1", "8.00"), noon, creditFloor.Floors...)
	require.NoError(t, err)
	doc := storage.Doc(made.Batch.Puts[0])
	doc.Version = 1
	posted, err := ledger.PlanPostHold(doc, "sales", euros("6.50"), noon.Add(time.Minute), creditFloor.Floors...)
	require.NoError(t, err)
	text := ""
	for _, b := range []storage.Batch{made.Batch, posted.Batch} {
		for _, p := range b.Puts {
			text += fmt.Sprintf("put %s at %d, due %d\n%s\n", p.Key, p.Version, p.Due, p.Body)
		}
	}
	golden(t, "hold.txt", text)
}

func TestHoldStates(t *testing.T) {
	ctx, later := context.Background(), noon.Add(time.Minute)
	type step func(*ledger.Book) (ledger.Hold, error)
	post := func(amount string) step {
		return func(b *ledger.Book) (ledger.Hold, error) { return b.PostHold(ctx, "h", "sales", euros(amount), later) }
	}
	void := func(b *ledger.Book) (ledger.Hold, error) { return b.Void(ctx, "h", later) }
	lapse := func(b *ledger.Book) (ledger.Hold, error) {
		report, err := b.LapseHolds(ctx, ledger.SweepOptions{Now: noon.Add(time.Hour)})
		if err == nil && report.Done != 1 {
			err = fmt.Errorf("report %+v", report)
		}
		return ledger.Hold{State: ledger.Lapsed}, err
	}
	for _, test := range []struct {
		name          string
		first, second step
		state         ledger.HoldState // after both
		err           error            // of the second
		left          string
	}{
		{"posted twice alike", post("8.00"), post("8.00"), ledger.Posted, nil, "2.00"},
		{"posted in part", post("3.00"), post("3.00"), ledger.Posted, nil, "7.00"},
		{"posted twice, differently", post("8.00"), post("7.00"), "", ledger.ErrHoldEnded, "2.00"},
		{"posted, then voided", post("8.00"), void, "", ledger.ErrHoldEnded, "2.00"},
		{"voided twice", void, void, ledger.Voided, nil, "10.00"},
		{"voided, then posted", void, post("8.00"), "", ledger.ErrHoldEnded, "10.00"},
		{"lapsed, then posted", lapse, post("8.00"), "", ledger.ErrHoldEnded, "10.00"},
		{"lapsed, then voided", lapse, void, ledger.Lapsed, nil, "10.00"},
	} {
		t.Run(test.name, func(t *testing.T) {
			book := credited(t, audited(t))
			_, err := book.Hold(ctx, holdOf("h", "8.00"), noon)
			require.NoError(t, err)
			requireBalance(t, book, "credit/jane", "2.00")
			_, err = test.first(book)
			require.NoError(t, err)
			hold, err := test.second(book)
			require.ErrorIs(t, err, test.err)
			assert.Equal(t, test.state, hold.State)
			requireBalance(t, book, "credit/jane", test.left)
			requireBalance(t, book, "held/credit/jane", "0.00")
			again, err := book.Hold(ctx, holdOf("h", "8.00"), later)
			require.NoError(t, err)
			assert.NotEqual(t, ledger.Held, again.State, "asked for again, it is as it stands")
		})
	}
}

func TestHoldIsIdempotent(t *testing.T) {
	ctx, book := context.Background(), credited(t, audited(t))
	made, err := book.Hold(ctx, holdOf("h", "8.00"), noon)
	require.NoError(t, err)
	later := holdOf("h", "8.00")
	later.Until = noon.Add(2 * time.Hour)
	again, err := book.Hold(ctx, later, noon.Add(time.Minute))
	require.NoError(t, err)
	assert.Equal(t, made, again)
	_, err = book.Hold(ctx, holdOf("h", "7.00"), noon)
	require.ErrorIs(t, err, ledger.ErrKeyReused)
	_, err = book.Hold(ctx, holdOf("other", "2.01"), noon)
	require.ErrorIs(t, err, ledger.ErrInsufficient)
	_, err = book.Void(ctx, "none", noon)
	require.ErrorIs(t, err, ledger.ErrNoHold)
}

func TestHoldLateButNotLapsed(t *testing.T) {
	ctx, book := context.Background(), credited(t, audited(t))
	_, err := book.Hold(ctx, holdOf("h", "8.00"), noon)
	require.NoError(t, err)
	report, err := book.LapseHolds(ctx, ledger.SweepOptions{Now: noon.Add(time.Hour - time.Microsecond)})
	require.NoError(t, err)
	assert.Equal(t, ledger.Report{Next: noon.Add(time.Hour)}, report)
	hold, err := book.PostHold(ctx, "h", "sales", euros("8.00"), noon.Add(24*time.Hour))
	require.NoError(t, err)
	assert.Equal(t, ledger.Posted, hold.State)
}

func TestHoldEndedByAClockThatIsBehind(t *testing.T) {
	ctx, book := context.Background(), credited(t, audited(t))
	_, err := book.Hold(ctx, holdOf("h", "8.00"), noon)
	require.NoError(t, err)
	hold, err := book.Void(ctx, "h", noon.Add(-time.Hour))
	require.NoError(t, err)
	assert.Equal(t, noon, hold.Ended, "no hold ends before it was made")
}

func TestHoldInAClosedMonth(t *testing.T) {
	ctx, book := context.Background(), credited(t, audited(t))
	_, err := book.Post(ctx, ledger.Entry{ID: "newest", Kind: "note", At: noon.AddDate(0, 2, 0)})
	require.NoError(t, err)
	closeAll(t, book, noon.AddDate(0, 2, 0))
	_, err = book.Hold(ctx, holdOf("h", "1.00"), noon)
	require.ErrorIs(t, err, ledger.ErrClosed)
}

func TestHoldRefuses(t *testing.T) {
	_, err := ledger.PlanHold(ledger.HoldRequest{From: "held/x", Until: noon}, noon)
	require.ErrorIs(t, err, ledger.ErrInvalid)
	for _, fault := range []string{"id", "belongs to holds", "amount 0", "until"} {
		assert.ErrorContains(t, err, fault)
	}
	_, err = ledger.PlanHold(holdOf("h", "1.00"), time.Time{})
	require.ErrorIs(t, err, ledger.ErrInvalid)
	_, err = ledger.PlanHold(holdOf("h", "0.00"), noon)
	require.ErrorContains(t, err, `hold "h": its amount 0.00 EUR`)
	for beyond := range 2 { // 0: as long as may be
		id := holdOf(strings.Repeat("h", ledger.MaxHoldID+beyond), "1.00")
		_, err = ledger.PlanHold(id, noon)
		assert.Equal(t, beyond == 0, err == nil, "an id of %d bytes: %v", len(id.ID), err)
		from := holdOf("h", "1.00")
		from.From = ledger.Account(strings.Repeat("a", ledger.MaxAccount-len("held/")+beyond))
		_, err = ledger.PlanHold(from, noon)
		assert.Equal(t, beyond == 0, err == nil, "an account of %d bytes: %v", len(from.From), err)
	}
	require.ErrorContains(t, err, "116 bytes: to be held from it may have 115")

	ctx, book := context.Background(), credited(t, audited(t))
	_, err = book.Hold(ctx, holdOf("h", "8.00"), noon)
	require.NoError(t, err)
	for name, amount := range map[string]ledger.Money{
		"nothing": euros("0.00"), "less": euros("-1.00"), "too much": euros("8.01"), "yen": ledger.Minor(5, ledger.MustCurrency("JPY")),
	} {
		_, err := book.PostHold(ctx, "h", "sales", amount, noon)
		assert.ErrorIs(t, err, ledger.ErrInvalid, name)
		assert.ErrorContains(t, err, "cannot post", name)
	}
	for _, to := range []ledger.Account{"", "held/sales"} {
		_, err := book.PostHold(ctx, "h", to, euros("1.00"), noon)
		assert.ErrorIs(t, err, ledger.ErrInvalid, to)
	}
}

// Whatever happens to holds, what jane has, what waits and what was posted add
// up to what came in.
func TestHoldsConserve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx, store := context.Background(), memory.New()
		book := credited(t, store)
		now := noon
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "minutes")) * time.Minute)
			id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "id")
			amount := ledger.Minor(rapid.Int64Range(1, 700).Draw(t, "amount"), eur)
			var err error
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				_, err = book.Hold(ctx, ledger.HoldRequest{ID: id, From: "credit/jane", Amount: amount, Until: now.Add(time.Hour)}, now)
			case 1:
				_, err = book.PostHold(ctx, id, "sales", amount, now)
			case 2:
				_, err = book.Void(ctx, id, now)
			case 3:
				_, err = book.LapseHolds(ctx, ledger.SweepOptions{Now: now})
			}
			_ = err // refusals are part of the game; the sums are what counts
			sum := int64(0)
			for _, account := range []ledger.Account{"credit/jane", "held/credit/jane", "sales"} {
				balance, err := book.Balance(ctx, account, eur)
				require.NoError(t, err)
				require.GreaterOrEqual(t, balance.Minor(), int64(0))
				sum += balance.Minor()
			}
			require.EqualValues(t, 1000, sum)
		}
		requireSound(t, store)
	})
}

func TestHoldEndsOnce(t *testing.T) {
	ctx, book := context.Background(), credited(t, audited(t))
	_, err := book.Hold(ctx, holdOf("h", "8.00"), noon)
	require.NoError(t, err)
	states := make([]ledger.HoldState, 32)
	var group sync.WaitGroup
	for i := range states {
		group.Add(1)
		go func() {
			defer group.Done()
			var hold ledger.Hold
			switch i % 3 {
			case 0:
				hold, _ = book.PostHold(ctx, "h", "sales", euros("8.00"), noon)
			case 1:
				hold, _ = book.Void(ctx, "h", noon)
			case 2:
				_, _ = book.LapseHolds(ctx, ledger.SweepOptions{Now: noon.Add(time.Hour)})
			}
			states[i] = hold.State
		}()
	}
	group.Wait()
	ended := make(map[ledger.HoldState]bool)
	for _, state := range states {
		if state != "" {
			ended[state] = true
		}
	}
	assert.LessOrEqual(t, len(ended), 1, "%v", ended)
	requireBalance(t, book, "held/credit/jane", "0.00")
}
