package enginetest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

const (
	settleWorkers   = 4
	settleReferrals = 4000 // due at once, in each round
	settleBatch     = 100  // of a hand-written worker
)

// backlog is a program whose referrals have come to the end of their hold all at once.
type backlog struct {
	db    *sql.DB
	store *sqlstore.Store
	crew  *referral.Service   // of one process
	alone []*referral.Service // each as in a process of its own
	like  storage.Batch       // what settling the first referral writes
	lists []string            // as its documents keep the lists that they stand in
	now   time.Time
}

func dueFriend(n int64) string   { return fmt.Sprintf("friend-%07d", n) }
func dueReferrer(n int64) string { return fmt.Sprintf("referrer-%07d", n) }

func settling(store storage.Store) *referral.Service {
	return referral.New(store, coupon.New(store, coupon.Options{}), referral.Options{})
}

// openBacklog makes the backlog, settles one referral of it to see what that writes, and
// keeps a copy of the rest.
func openBacklog(b *testing.B, e Engine) *backlog {
	ctx, db := b.Context(), e.Open(b, e.DSN(b), 2*settleWorkers)
	db.SetMaxIdleConns(2 * settleWorkers) // else workers connect anew all the time
	l := &backlog{db: db, store: e.Store(b, db, sqlstore.Options{}), now: noon.Add(2 * time.Hour)}
	l.crew = settling(l.store)
	for range settleWorkers {
		l.alone = append(l.alone, settling(l.store))
	}
	group := storage.Grouped(l.store, storage.GroupOptions{})
	defer group.Close()
	coupons := coupon.New(group, coupon.Options{})
	referrals := referral.New(group, coupons, referral.Options{})
	_, err := coupons.Publish(ctx, coupon.Offer{
		ID: "thanks", Name: "Thanks", Benefit: coupon.AmountOff{Amounts: coupon.Amounts{ledger.Minor(500, eur)}},
	}, "staff", noon)
	require.NoError(b, err)
	_, err = referrals.Publish(ctx, referral.Program{
		ID: "invite", Name: "Invite", Hold: time.Hour, Caps: []referral.Cap{{Friends: 100}},
		Rewards: []referral.Rule{
			{Side: referral.Referrer, Step: referral.Qualified, Earning: referral.Earning{Coupons: []coupon.IssueOffer{{Offer: "thanks"}}}},
			{Side: referral.Referee, Step: referral.Qualified, Earning: referral.Earning{Credit: coupon.Amounts{ledger.Minor(500, eur)}}},
		},
	}, "staff", noon)
	require.NoError(b, err)
	each(b, settleReferrals+1, 16, func(ctx context.Context, i int) error {
		friend := dueFriend(int64(i))
		link, err := referrals.Link(ctx, "invite", dueReferrer(int64(i)), noon)
		if err != nil {
			return err
		}
		if _, err = referrals.Register(ctx, referral.Registration{Customer: friend, Code: link.Code.String()}, noon); err != nil {
			return err
		}
		_, err = referrals.OrderPaid(ctx, referral.Payment{Order: "order of " + friend, Customer: friend, Amount: ledger.Minor(2000, eur)}, noon)
		return err
	})
	tap := &tapStore{Store: l.store}
	settled, err := settling(tap).Settle(ctx, l.now, 1)
	require.NoError(b, err)
	require.Equal(b, 1, settled.Done)
	l.like = tap.applied
	for _, p := range l.like.Puts {
		var lists string
		require.NoError(b, db.QueryRow("SELECT lists FROM vouch_docs WHERE kind = $1 AND id = $2", p.Key.Kind, p.Key.ID).Scan(&lists))
		l.lists = append(l.lists, lists)
	}
	for table, with := range map[string]string{"docs": "", "lists": "", "counters": " WITH (fillfactor = 80)"} {
		l.do(b, "CREATE TABLE hand_"+table+" (LIKE vouch_"+table+" INCLUDING ALL)"+with, "CREATE TABLE saved_"+table+" AS SELECT * FROM vouch_"+table)
	}
	return l
}

func (l *backlog) do(b *testing.B, statements ...string) {
	b.Helper()
	for _, statement := range statements {
		_, err := l.db.Exec(statement)
		require.NoError(b, err, statement)
	}
}

// again makes all of it due again, for the library and for the hand.
func (l *backlog) again(b *testing.B) {
	for _, table := range []string{"docs", "lists", "counters"} {
		l.do(b, "TRUNCATE vouch_"+table+", hand_"+table)
		for _, whose := range []string{"vouch_", "hand_"} {
			l.do(b, "INSERT INTO "+whose+table+" SELECT * FROM saved_"+table, "ANALYZE "+whose+table)
		}
	}
	_, err := l.db.Exec("CHECKPOINT")
	var denied interface{ SQLState() string }
	require.True(b, err == nil || errors.As(err, &denied) && denied.SQLState() == "42501", "only a superuser may: %v", err)
}

// rows are what the library or the hand has left, in order. What the hand can't know is
// masked: the codes of coupons, which are made at random, and the fingerprints of issues.
func (l *backlog) rows(b *testing.B, whose string) []string {
	b.Helper()
	var all []string
	for _, query := range []string{
		"SELECT concat_ws(' ', kind, CASE WHEN kind = 'code' THEN '?' ELSE id END, version, coalesce(due, 0), lists, body) FROM " + whose + "_docs",
		"SELECT concat_ws(' ', kind, list, place, CASE WHEN kind = 'code' THEN '?' ELSE id END) FROM " + whose + "_lists",
		"SELECT concat_ws(' ', name, value, coalesce(until, 0), rev) FROM " + whose + "_counters",
	} {
		rows, err := l.db.Query(query)
		require.NoError(b, err)
		for rows.Next() {
			var row string
			require.NoError(b, rows.Scan(&row))
			all = append(all, ownOfEach.ReplaceAllString(row, `"$1":"?"`))
		}
		require.NoError(b, rows.Err())
	}
	slices.Sort(all)
	return all
}

// requireSameRows settles by the library and by the hand, and compares what they leave.
func (l *backlog) requireSameRows(b *testing.B) {
	b.Helper()
	l.timed(b, func(ctx context.Context, _ int) (int, error) { return l.sweep(ctx, l.crew) })
	want := l.rows(b, "vouch")
	l.timed(b, l.byHand)
	got := l.rows(b, "hand")
	require.Len(b, got, len(want))
	for i := range want {
		require.Equal(b, want[i], got[i], "row %d: the hand leaves another", i)
	}
}

// timed is how many referrals per second the workers get through.
func (l *backlog) timed(b *testing.B, work func(ctx context.Context, worker int) (done int, err error)) measured {
	l.again(b)
	var handled atomic.Int64
	begun := time.Now()
	each(b, settleWorkers, settleWorkers, func(ctx context.Context, worker int) error {
		for {
			done, err := work(ctx, worker)
			if err != nil || done == 0 {
				return err
			}
			handled.Add(int64(done))
		}
	})
	elapsed := time.Since(begun)
	require.EqualValues(b, settleReferrals, handled.Load(), "each once, and none twice")
	return measured{perSecond: settleReferrals / elapsed.Seconds()}
}

// sweep is one worker's sweep.
func (l *backlog) sweep(ctx context.Context, s *referral.Service) (int, error) {
	report, err := s.Settle(ctx, l.now, 0)
	if err == nil && report.Failed > 0 {
		err = fmt.Errorf("it failed: %v", report.Faults)
	}
	return report.Done, err
}

// byHand is one transaction of a worker that somebody would write for this purpose: it
// takes due referrals that no other has, and writes in one statement for each table what
// settling them writes: the same rows, to the same bytes, as requireSameRows makes sure.
func (l *backlog) byHand(ctx context.Context, _ int) (int, error) {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	rows, err := tx.QueryContext(ctx, "SELECT id, body FROM hand_docs WHERE kind = 'referral' AND due IS NOT NULL AND due <= $1 ORDER BY due, id LIMIT $2 FOR UPDATE SKIP LOCKED",
		l.now.UnixMicro(), settleBatch)
	if err != nil {
		return 0, err
	}
	var friends []string
	for rows.Next() {
		var id, body string
		if err := rows.Scan(&id, &body); err != nil {
			return 0, err
		}
		friends = append(friends, strings.TrimPrefix(id, "invite/"))
	}
	if err := rows.Err(); err != nil || len(friends) == 0 {
		return 0, err
	}
	var changed, made, lists, counters [4][]string
	for _, friend := range friends {
		named := l.names(friend)
		for i, p := range l.like.Puts {
			into := &made
			if p.Version > 0 {
				into = &changed
			}
			into[0], into[1] = append(into[0], p.Key.Kind), append(into[1], named.Replace(p.Key.ID))
			into[2], into[3] = append(into[2], named.Replace(l.lists[i])), append(into[3], named.Replace(string(p.Body)))
			for _, list := range p.Lists {
				if p.Version > 0 {
					continue // where it stands already
				}
				lists[0], lists[1] = append(lists[0], p.Key.Kind), append(lists[1], named.Replace(list.List))
				lists[2], lists[3] = append(lists[2], fmt.Sprint(list.Place)), append(lists[3], named.Replace(p.Key.ID))
			}
		}
		for _, a := range l.like.Adds {
			counters[0], counters[1] = append(counters[0], named.Replace(a.Counter)), append(counters[1], fmt.Sprint(a.Delta))
		}
	}
	for _, write := range []struct {
		statement string
		args      []any
	}{
		{"UPDATE hand_docs d SET version = d.version + 1, due = NULL, lists = n.lists, body = n.body FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) n (kind, id, lists, body) WHERE d.kind = n.kind AND d.id = n.id",
			[]any{changed[0], changed[1], changed[2], changed[3]}},
		{"INSERT INTO hand_docs (kind, id, version, lists, body) SELECT kind, id, 1, lists, body FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) n (kind, id, lists, body)",
			[]any{made[0], made[1], made[2], made[3]}},
		{"INSERT INTO hand_lists (kind, list, place, id) SELECT * FROM unnest($1::text[], $2::text[], $3::text[]::bigint[], $4::text[])", []any{lists[0], lists[1], lists[2], lists[3]}},
		{"INSERT INTO hand_counters AS c (name, value, rev) SELECT name, delta, 1 FROM unnest($1::text[], $2::text[]::bigint[]) n (name, delta) ON CONFLICT (name) DO UPDATE SET value = c.value + excluded.value, rev = c.rev + 1",
			[]any{counters[0], counters[1]}},
	} {
		if _, err := tx.ExecContext(ctx, write.statement, write.args...); err != nil {
			return 0, err
		}
	}
	return len(friends), tx.Commit()
}

var (
	codeGiven = regexp.MustCompile(`"code":"([0-9A-Z]+)"`)
	ownOfEach = regexp.MustCompile(`"(code|fingerprint)":"[-_0-9A-Za-z]+"`)
)

// names replaces what stands for the first friend in the sample by what stands for
// another.
func (l *backlog) names(friend string) *strings.Replacer {
	hashed := func(id string) string {
		sum := sha256.Sum256([]byte(id))
		return hex.EncodeToString(sum[:20])
	}
	first := dueFriend(0)
	pairs := []string{first, friend, dueReferrer(0), "referrer-" + strings.TrimPrefix(friend, "friend-")}
	for _, of := range []string{"invite/%s", "invite/%s/referrer/qualified", "invite/%s/referee/qualified"} {
		pairs = append(pairs, hashed(fmt.Sprintf(of, first)), hashed(fmt.Sprintf(of, friend)))
	}
	for _, p := range l.like.Puts {
		if code := codeGiven.FindSubmatch(p.Body); p.Key.Kind == "coupon" && code != nil {
			pairs = append(pairs, string(code[1]), strings.ToUpper(hashed(friend)[:len(code[1])]))
		}
	}
	return strings.NewReplacer(pairs...)
}

// BenchmarkSettle compares what settles a backlog with a worker written by hand, four of
// each on PostgreSQL: four that share a service, and four that have one each, as in
// processes of their own. Medians of five interleaved rounds; each metric is a ratio.
//
//	go test -run '^$' -bench Settle -benchtime 1x ./storage/enginetest
func BenchmarkSettle(b *testing.B) {
	l := openBacklog(b, postgres("postgres", "pgx"))
	l.requireSameRows(b)
	ratios, last := compared(b, rounds,
		func() measured { return l.timed(b, l.byHand) },
		func() measured {
			return l.timed(b, func(ctx context.Context, _ int) (int, error) { return l.sweep(ctx, l.crew) })
		},
		func() measured {
			return l.timed(b, func(ctx context.Context, worker int) (int, error) { return l.sweep(ctx, l.alone[worker]) })
		})
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ratios[1], "settle/by-hand")
	b.ReportMetric(ratios[2], "four-processes/by-hand")
	b.ReportMetric(last[0].perSecond, "by-hand/s")
}
