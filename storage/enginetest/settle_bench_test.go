package enginetest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"regexp"
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
		friend, at := dueFriend(int64(i)), noon.Add(time.Duration(i)*time.Microsecond)
		link, err := referrals.Link(ctx, "invite", dueReferrer(int64(i)), noon)
		if err != nil {
			return err
		}
		if _, err = referrals.Register(ctx, referral.Registration{Customer: friend, Code: link.Code.String()}, at); err != nil {
			return err
		}
		_, err = referrals.OrderPaid(ctx, referral.Payment{Order: "order of " + friend, Customer: friend, Amount: ledger.Minor(2000, eur)}, at)
		return err
	})
	tap := &tapStore{Store: l.store}
	settled, err := settling(tap).Settle(ctx, l.now, 1)
	require.NoError(b, err)
	require.Equal(b, 1, settled.Done)
	l.like = tap.applied
	l.do(b, "CREATE TABLE hand_docs (kind text COLLATE \"C\", id text COLLATE \"C\", version bigint NOT NULL, due bigint, body text NOT NULL, PRIMARY KEY (kind, id))",
		"CREATE INDEX hand_docs_due ON hand_docs (kind, due, id) WHERE due IS NOT NULL",
		"CREATE TABLE hand_lists (kind text COLLATE \"C\", list text COLLATE \"C\", place bigint, id text COLLATE \"C\", PRIMARY KEY (kind, list, place, id))",
		"CREATE TABLE hand_counters (id text COLLATE \"C\" PRIMARY KEY, used bigint NOT NULL)",
		"CREATE TABLE saved_docs AS SELECT * FROM vouch_docs", "CREATE TABLE saved_lists AS SELECT * FROM vouch_lists",
		"CREATE TABLE saved_counters AS SELECT * FROM vouch_counters")
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
		l.do(b, "TRUNCATE vouch_"+table+", hand_"+table, "INSERT INTO vouch_"+table+" SELECT * FROM saved_"+table)
	}
	l.do(b, "INSERT INTO hand_docs SELECT kind, id, version, due, body FROM saved_docs", "INSERT INTO hand_lists SELECT kind, list, place, id FROM saved_lists",
		"INSERT INTO hand_counters SELECT name, value FROM saved_counters", "ANALYZE", "CHECKPOINT")
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
// settling them writes, to the same bytes.
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
		for _, p := range l.like.Puts {
			into := &made
			if p.Version > 0 {
				into = &changed
			}
			into[0], into[1], into[2] = append(into[0], p.Key.Kind), append(into[1], named.Replace(p.Key.ID)), append(into[2], named.Replace(string(p.Body)))
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
		{"UPDATE hand_docs d SET version = d.version + 1, due = NULL, body = n.body FROM unnest($1::text[], $2::text[], $3::text[]) n (kind, id, body) WHERE d.kind = n.kind AND d.id = n.id", []any{changed[0], changed[1], changed[2]}},
		{"INSERT INTO hand_docs (kind, id, version, body) SELECT kind, id, 1, body FROM unnest($1::text[], $2::text[], $3::text[]) n (kind, id, body)", []any{made[0], made[1], made[2]}},
		{"INSERT INTO hand_lists (kind, list, place, id) SELECT * FROM unnest($1::text[], $2::text[], $3::text[]::bigint[], $4::text[])", []any{lists[0], lists[1], lists[2], lists[3]}},
		{"INSERT INTO hand_counters AS c (id, used) SELECT * FROM unnest($1::text[], $2::text[]::bigint[]) n (id, used) ON CONFLICT (id) DO UPDATE SET used = c.used + excluded.used", []any{counters[0], counters[1]}},
	} {
		if _, err := tx.ExecContext(ctx, write.statement, write.args...); err != nil {
			return 0, err
		}
	}
	return len(friends), tx.Commit()
}

var codeGiven = regexp.MustCompile(`"code":"([0-9A-Z]+)"`)

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
