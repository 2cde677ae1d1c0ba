package enginetest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

var long = flag.Bool("long", false, "run the long forms of the tests under fire")

// size is that of a test's short or long form.
func size(short, inLong int) int {
	if *long {
		return inLong
	}
	return short
}

// strike is what a driver's call meets.
type strike struct {
	name string
	err  error // nil: the process is killed
}

var strikes = []strike{{"error", errBroken}, {"cut", errCut}, {"kill", nil}}

// place is a call of a driver's during an operation, and whether it has been
// carried out.
type place struct {
	Call int
	Done bool
}

func (p place) String() string {
	return fmt.Sprintf("%s call %d", map[bool]string{false: "before", true: "after"}[p.Done], p.Call)
}

// striker watches a driver, and strikes once at a place.
type striker struct {
	armed bool
	at    place
	do    func() error
	calls int
	step  Step // where it struck
}

// calledAt is a striker about to strike at a place.
func calledAt(at place, do func() error) striker { return striker{armed: true, at: at, do: do} }

func (s *striker) watch(step Step) error {
	// A rollback comes by itself, or from a goroutine of database/sql's: nothing is read before it is told apart.
	if step.Statement == "ROLLBACK" || !s.armed {
		return nil
	}
	if !step.Done {
		s.calls++
	}
	if s.do == nil || (place{s.calls, step.Done}) != s.at {
		return nil
	}
	s.step = step
	s.armed = false
	return s.do()
}

// arena is a database in which each case has a tenant of its own.
type arena struct {
	engine  Engine
	dsn     string
	db      *sql.DB
	plain   *sqlstore.Store
	struck  *sqlstore.Store // under the striker
	striker *striker
	tenants int
}

func newArena(t *testing.T, e Engine) *arena {
	a := &arena{engine: e, dsn: e.DSN(t), striker: new(striker)}
	a.db = e.Open(t, a.dsn, 4)
	a.plain = e.Store(t, a.db, sqlstore.Options{})
	a.struck = e.New(t, e.Tap(t, a.dsn, 1, a.striker.watch), sqlstore.Options{})
	return a
}

// tenant is where one case happens.
type tenant struct {
	*arena
	prefix string
	services
	asked services // over the store under the striker; what the question needs was read with it
}

// open gives a tenant in which the operation has something to do, and the question.
func (a *arena) open(t *testing.T, o operation) (tenant, asking) {
	t.Helper()
	a.tenants++
	prefix := fmt.Sprint(a.tenants, "/")
	s := tenant{
		a, prefix, serve(storage.Prefixed(a.plain, prefix), rand.New(rand.NewSource(1))), // the same codes each time
		serve(storage.Prefixed(a.struck, prefix), nil),
	}
	require.NoError(t, opened(t.Context(), s.services))
	if o.prepare != nil {
		require.NoError(t, o.prepare(t.Context(), s.services))
	}
	asking, err := o.ready(t.Context(), s.asked)
	require.NoError(t, err)
	return s, asking
}

// madeCode matches codes and subjects, which no two attempts make alike.
var madeCode = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{14}\b|\bs-[0-9a-f]{32}\b`)

// dump is everything that the tenant keeps.
func (s tenant) dump(t *testing.T) string {
	t.Helper()
	var lines []string
	for _, statement := range []string{
		"SELECT kind, id, version, due, lists, body FROM vouch_docs WHERE kind >= '%s' AND kind < '%s'",
		"SELECT kind, id, place, 0, list, '' FROM vouch_lists WHERE kind >= '%s' AND kind < '%s'",
		"SELECT name, '', value, until, '', '' FROM vouch_counters WHERE name >= '%s' AND name < '%s'",
	} {
		rows, err := s.db.Query(fmt.Sprintf(statement, s.prefix, strings.TrimSuffix(s.prefix, "/")+"0"))
		require.NoError(t, err)
		for rows.Next() {
			var kind, id, lists, body string
			var version int64
			var due sql.NullInt64
			require.NoError(t, rows.Scan(&kind, &id, &version, &due, &lists, &body))
			line := fmt.Sprintln(strings.TrimPrefix(kind, s.prefix), id, version, due.Int64, lists, body)
			lines = append(lines, madeCode.ReplaceAllString(line, "CODE"))
		}
		require.NoError(t, rows.Err())
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func (s tenant) audit(t *testing.T) {
	t.Helper()
	report, err := referral.Audit(t.Context(), s.store)
	require.NoError(t, err)
	require.NoError(t, report.Err())
}

// answer is an answer as text.
func answer(t *testing.T, given any) string {
	t.Helper()
	text, err := json.Marshal(given)
	require.NoError(t, err)
	return madeCode.ReplaceAllString(string(text), "CODE")
}

// TestOperationsUnderFire strikes before and after each call that an operation of the
// library makes of its driver. Nothing is half done then, asking twice more gives the
// answer once, something else under the same key is refused, and the books agree.
// The short form strikes each operation at one place on each engine.
func TestOperationsUnderFire(t *testing.T) {
	all := operations()
	for i, e := range usual() {
		t.Run(e.Name, func(t *testing.T) {
			a := newArena(t, e)
			for j, name := range slices.Sorted(maps.Keys(all)) {
				t.Run(name, func(t *testing.T) { underFire(t, a, name, all[name], i+j) })
			}
		})
	}
}

// underFire strikes an operation everywhere, or in the short form in one way and at one
// place that depend on the number given.
func underFire(t *testing.T, a *arena, name string, o operation, number int) {
	s, q := a.open(t, o)
	before := s.dump(t)
	*a.striker = striker{armed: true}
	given, err := q.ask(t.Context(), s.asked, noon)
	require.NoError(t, err)
	calls := a.striker.calls
	a.striker.armed = false
	want := result{answer(t, given), s.dump(t)}
	require.NotEqual(t, before, want.dump, "it has done nothing")
	s.audit(t)
	if q.outcome != nil {
		came, err := q.outcome(t.Context(), s.services)
		require.NoError(t, err)
		want = result{answer: answer(t, came)}
	}

	ways := strikes
	var places []place
	for call := range calls {
		places = append(places, place{call + 1, false}, place{call + 1, true})
	}
	if !*long {
		i := number * 7919 % len(places) // the same in every run
		ways, places = ways[number%len(ways):][:1], places[i:][:1]
	}
	for _, strike := range ways {
		for _, at := range places {
			t.Run(fmt.Sprintf("%s %s of %d", strike.name, at, calls), func(t *testing.T) { a.struckAt(t, name, o, strike, at, before, want) })
		}
	}
}

// result is what an operation should come to.
type result struct{ answer, dump string }

func (a *arena) struckAt(t *testing.T, name string, o operation, strike strike, at place, before string, want result) {
	s, q := a.open(t, o)
	requireSame(t, before, s.dump(t))
	if strike.err == nil {
		s.killed(t, name, at)
	} else {
		*a.striker = striker{armed: true, at: at, do: func() error { return strike.err }}
		_, err := q.ask(t.Context(), s.asked, noon)
		if a.striker.armed = false; err == nil {
			require.NotNil(t, q.outcome, "%+v went unnoticed", a.striker.step) // a sweep puts off what fails
		} else {
			require.ErrorIs(t, err, strike.err, "%+v", a.striker.step)
		}
	}
	s.audit(t)
	if state := s.dump(t); q.outcome == nil && !q.goesOn && state != before {
		requireSame(t, want.dump, state)
	}
	for again := 1; again <= 2; again++ {
		instant := noon
		if q.outcome != nil {
			instant = noon.Add(time.Duration(3*again) * time.Hour)
		}
		given, err := q.ask(t.Context(), s.services, instant)
		require.NoError(t, err)
		if q.outcome == nil {
			require.Equal(t, want.answer, answer(t, given))
			requireSame(t, want.dump, s.dump(t))
		}
	}
	if q.outcome != nil {
		came, err := q.outcome(t.Context(), s.services)
		require.NoError(t, err)
		require.Equal(t, want.answer, answer(t, came))
	}
	if q.other != nil {
		state := s.dump(t)
		require.ErrorIs(t, q.other(t.Context(), s.services), ledger.ErrKeyReused)
		requireSame(t, state, s.dump(t))
	}
	s.audit(t)
}

// requireSame compares two dumps, and shows the lines that only one of them has.
func requireSame(t *testing.T, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	wanted, found := strings.Split(want, "\n"), strings.Split(got, "\n")
	missing := slices.DeleteFunc(slices.Clone(wanted), func(line string) bool { return slices.Contains(found, line) })
	surplus := slices.DeleteFunc(found, func(line string) bool { return slices.Contains(wanted, line) })
	require.Fail(t, "something else is kept", "missing:\n%s\nsurplus:\n%s", strings.Join(missing, "\n"), strings.Join(surplus, "\n"))
}

// suicide is what a process is asked to do that is killed during an operation.
type suicide struct {
	Operation, Prefix string
	At                place
}

const suicideEnv = "VOUCH_ENGINETEST_SUICIDE"

// killed has a process ask for the operation that is killed at a place.
func (s tenant) killed(t *testing.T, name string, at place) {
	t.Helper()
	task, err := json.Marshal(suicide{name, s.prefix, at})
	require.NoError(t, err)
	p := start(t, s.engine, "operate", s.dsn, suicideEnv+"="+string(task))
	require.ErrorContains(t, p.cmd.Wait(), "killed")
}

// operateProcess asks for an operation, and is killed at a call of its driver's.
func operateProcess(e Engine, dsn string) error {
	var task suicide
	if err := json.Unmarshal([]byte(os.Getenv(suicideEnv)), &task); err != nil {
		return err
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	striker := striker{at: task.At, do: func() error {
		if err := self.Kill(); err != nil {
			return err
		}
		select {}
	}}
	db, err := e.tap(dsn, striker.watch)
	if err != nil {
		return err
	}
	store, err := sqlstore.New(db, e.Dialect, sqlstore.Options{Classify: e.Classify})
	if err != nil {
		return err
	}
	s, ctx := serve(storage.Prefixed(store, task.Prefix), nil), context.Background()
	q, err := operations()[task.Operation].ready(ctx, s)
	if err != nil {
		return err
	}
	striker.armed = true
	_, err = q.ask(ctx, s, noon)
	return errors.Join(errors.New("it was not killed"), err)
}
