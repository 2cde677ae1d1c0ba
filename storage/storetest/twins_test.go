package storetest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
	"github.com/vouch-go/vouch/storage/storetest"
)

// A twin is a store with a fault that has been seen in the wild, and the
// subtests that must fail on it.
type twin struct {
	fault   string
	open    func() storage.Store
	bind    func(*bound) storage.Store // to a transaction of the shop's
	accepts bool                       // a handle that is no transaction
	fails   []string
}

const sound = "none" // the twin without a fault

var twins = []twin{
	{fault: sound, open: newGrouping(oneAfterTheOther), bind: func(b *bound) storage.Store { return b }},
	{fault: "checks a cap, then writes", open: tampered{apply: checkThenWriteCap}.open, fails: []string{"never oversold", "never oversold with documents"}},
	{fault: "checks a version, then writes", open: tampered{apply: checkThenWriteVersion}.open, fails: []string{"one creator", "one winner"}},
	{fault: "does not read rows affected", open: tampered{apply: ignoreConflicts}.open, fails: []string{"create once", "compare and set", "drops", "checks", "all or nothing", "one creator", "one winner"}},
	{fault: "applies one by one", open: tampered{apply: oneByOne}.open, fails: []string{"all or nothing", "large batches", "agrees with a map"}},
	{fault: "judges in the order given", open: tampered{apply: judgeCountersFirst}.open, fails: []string{"the failure is the first in lock order", "agrees with a map"}},
	{fault: "does not judge changes of nothing", open: tampered{apply: skipZero}.open, fails: []string{"bounds", "all or nothing"}},
	{fault: "saturates at int64", open: tampered{apply: saturate}.open, fails: []string{"int64 edges", "all or nothing"}},
	{fault: "gives up when another writes", open: newImpatient, fails: []string{"opposite orders", "never oversold"}},
	{fault: "has a clock", open: tampered{apply: pruneByClock}.open, fails: []string{"until"}},
	{fault: "ignores letter case", open: tampered{fold: strings.ToLower}.open, fails: []string{"hostile keys", "lists change with the document", "agrees with a map"}},
	{fault: "ignores trailing blanks", open: tampered{fold: trim}.open, fails: []string{"hostile keys", "agrees with a map"}},
	{fault: "cuts what is too long", open: tampered{fold: cut}.open, fails: []string{"hostile keys", "invalid batches", "invalid reads"}},
	{fault: "reads the same bytes as no change", open: tampered{apply: sameBytesNoChange}.open, fails: []string{"compare and set"}},
	{fault: "keeps bodies as JSON values", open: tampered{body: normalize}.open, fails: []string{"bodies"}},
	{fault: "hands out its own memory", open: newSharing, fails: []string{"nothing is shared with the caller"}},
	{fault: "gives documents in key order", open: tampered{get: byKey}.open, fails: []string{"get"}},
	{fault: "never leaves a list", open: tampered{apply: neverLeave}.open, fails: []string{"lists change with the document", "agrees with a map"}},
	{fault: "pages by offset", open: tampered{list: pageByOffset}.open, fails: []string{"paging under change"}},
	{fault: "pages by place alone", open: tampered{list: pageByPlace}.open, fails: []string{"lists", "paging under change", "hostile keys", "agrees with a map"}},
	{fault: "gives a cursor after every full page", open: tampered{list: alwaysNext}.open, fails: []string{"pages", "agrees with a map"}},
	{fault: "takes bounds as inclusive", open: tampered{list: inclusive}.open, fails: []string{"lists", "due", "agrees with a map"}},
	{fault: "reads no bound as zero", open: tampered{list: zeroIsABound}.open, fails: []string{"lists"}},
	{fault: "lists kinds backwards", open: tampered{list: backwardsKinds}.open, fails: []string{"whole kinds", "agrees with a map"}},
	{fault: "ignores the context", open: tampered{apply: ignoreContext}.open, fails: []string{"cancelled context", "cancelled midway"}},
	{fault: "refuses a group for one of it", open: newGrouping(allOrNone), fails: []string{"a group agrees with a map", "neighbours in a group"}},
	{fault: "judges a group by what was before it", open: newGrouping(judgedApart), fails: []string{"a group agrees with a map", "neighbours in a group", "groups race"}},
	{fault: "is not bound", bind: func(b *bound) storage.Store { return unbound{b} },
		fails: []string{"tx/rolls back with the order", "tx/over means over"}},
	{fault: "reads outside", bind: func(b *bound) storage.Store { return readsOutside{b} },
		fails: []string{"tx/reads see own writes"}},
	{fault: "aborts the transaction", bind: func(b *bound) storage.Store { return aborting{b} },
		fails: []string{"tx/a refused batch leaves it usable", "tx/an invalid batch leaves it usable"}},
	{fault: "forgets", bind: func(b *bound) storage.Store { return forgets{b} },
		fails: []string{"tx/commits with the order"}},
	{fault: "takes a pool for a transaction", accepts: true, fails: []string{"tx/wrong handles"}},
	{fault: "has no savepoint", bind: func(b *bound) storage.Store { return half{b} },
		fails: []string{"tx/a refused batch leaves it usable"}},
	{fault: "has no bounds in a transaction", bind: func(b *bound) storage.Store { return boundless{b} },
		fails: []string{"tx/never oversold", "tx/a refused batch leaves it usable"}},
}

// TestTwins runs the suite on each twin in a process of its own, since a subtest
// that fails would fail this test too. Each subtest named must fail, and every
// subtest of the suite must fail on some twin.
func TestTwins(t *testing.T) {
	passed, failed := runTwin(t, sound, ".*")
	require.Empty(t, failed)
	require.Greater(t, len(passed), 30)
	missed := make(map[string]bool)
	for _, name := range passed {
		missed[name] = true
	}
	for _, twin := range twins[1:] {
		t.Run(twin.fault, func(t *testing.T) {
			names := strings.ReplaceAll(strings.Join(twin.fails, "|"), " ", "_")
			pattern := "^(" + names + ")$"
			if twin.open == nil {
				pattern = "^tx$/^(" + strings.ReplaceAll(names, "tx/", "") + ")$"
			}
			_, failed := runTwin(t, twin.fault, pattern)
			require.ElementsMatch(t, strings.Split(names, "|"), failed)
			for _, name := range failed {
				delete(missed, name)
			}
		})
	}
	if !t.Failed() {
		require.Empty(t, missed, "subtests that no twin fails")
	}
}

// TestTwin is what runs in the process of a twin.
func TestTwin(t *testing.T) {
	fault := os.Getenv("STORETEST_TWIN")
	i := slices.IndexFunc(twins, func(twin twin) bool { return twin.fault == fault })
	if i < 0 {
		t.Skip("TestTwins runs this")
	}
	twin := twins[i]
	open := func(*testing.T) storage.Store { return twin.open() }
	group := false
	if twin.open != nil {
		_, group = twin.open().(storage.Grouper)
	}
	storetest.Run(t, open, storetest.Features{Group: group, Tx: func(*testing.T) storetest.TxHarness {
		return newShop().harness(twin)
	}})
}

var outcome = regexp.MustCompile(`(?m)^ +--- (PASS|FAIL): TestTwin/(\S+)`)

// runTwin gives the subtests that passed and failed, those of the set about the
// caller's transaction one by one.
func runTwin(t *testing.T, fault, pattern string) (passed, failed []string) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestTwin$/"+pattern, "-test.v", "-test.timeout=60s",
		"-rapid.nofailfile", "-rapid.seed=1", "-rapid.shrinktime=1ms")
	cmd.Env = append(os.Environ(), "STORETEST_TWIN="+fault)
	out, err := cmd.CombinedOutput()
	require.NotEmpty(t, out, err)
	for _, found := range outcome.FindAllStringSubmatch(string(out), -1) {
		name := found[2]
		if set, inside, nested := strings.Cut(name, "/"); name == "tx" || nested && set != "tx" || strings.Contains(inside, "/") {
			continue
		}
		if found[1] == "PASS" {
			passed = append(passed, name)
		} else {
			failed = append(failed, name)
		}
	}
	require.NotContains(t, string(out), "DATA RACE")
	require.NotContains(t, string(out), "panic: test timed out")
	return passed, failed
}

// tampered is the reference store with something put before it.
type tampered struct {
	store *memory.Store
	apply func(context.Context, storage.Store, storage.Batch) error
	list  func(context.Context, storage.Store, storage.Query) (storage.Page, error)
	get   func([]storage.Doc)
	body  func([]byte) []byte
	fold  func(string) string
}

func (t tampered) open() storage.Store {
	t.store = memory.New()
	return t
}

func (t tampered) name(s string) string {
	if t.fold == nil {
		return s
	}
	return t.fold(s)
}

func (t tampered) key(k storage.Key) storage.Key { return storage.Key{Kind: k.Kind, ID: t.name(k.ID)} }

func (t tampered) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	keys = slices.Clone(keys)
	for i := range keys {
		keys[i] = t.key(keys[i])
	}
	docs, values, err := t.store.Get(ctx, keys, counters...)
	if t.get != nil {
		t.get(docs)
	}
	return docs, values, err
}

func (t tampered) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	q.List = t.name(q.List)
	if t.list != nil {
		return t.list(ctx, t.store, q)
	}
	return t.store.List(ctx, q)
}

func (t tampered) Apply(ctx context.Context, b storage.Batch) error {
	b = storage.Batch{Checks: slices.Clone(b.Checks), Puts: slices.Clone(b.Puts), Drops: slices.Clone(b.Drops), Adds: b.Adds}
	for i := range b.Checks {
		b.Checks[i].Key = t.key(b.Checks[i].Key)
	}
	for i := range b.Drops {
		b.Drops[i].Key = t.key(b.Drops[i].Key)
	}
	for i, p := range b.Puts {
		b.Puts[i].Key, b.Puts[i].Lists = t.key(p.Key), slices.Clone(p.Lists)
		for j := range p.Lists {
			b.Puts[i].Lists[j].List = t.name(p.Lists[j].List)
		}
		if t.body != nil {
			b.Puts[i].Body = t.body(p.Body)
		}
	}
	if t.apply != nil {
		return t.apply(ctx, t.store, b)
	}
	return t.store.Apply(ctx, b)
}

func byKey(docs []storage.Doc) {
	slices.SortFunc(docs, func(a, b storage.Doc) int { return a.Key.Compare(b.Key) })
}

func trim(s string) string { return strings.TrimRight(s, " ") }
func cut(s string) string  { return s[:min(len(s), 100)] }

// normalize is what jsonb does.
func normalize(body []byte) []byte {
	var value map[string]any
	if json.Unmarshal(body, &value) != nil {
		return body
	}
	body, _ = json.Marshal(value)
	return body
}

func checkThenWriteCap(ctx context.Context, s storage.Store, b storage.Batch) error {
	b.Adds = slices.Clone(b.Adds)
	for i, a := range b.Adds {
		_, values, err := s.Get(ctx, nil, a.Counter)
		if err != nil {
			return err
		}
		if _, allowed := a.After(values[a.Counter]); !allowed {
			return storage.Op{Add: &a}.Failure()
		}
		b.Adds[i].Min, b.Adds[i].Max = math.MinInt64, math.MaxInt64
	}
	runtime.Gosched()
	return s.Apply(ctx, b)
}

func checkThenWriteVersion(ctx context.Context, s storage.Store, b storage.Batch) error {
	b.Puts = slices.Clone(b.Puts)
	for _, p := range b.Puts {
		if found, err := versionOf(ctx, s, p.Key); err != nil || found != p.Version {
			return errors.Join(err, storage.Op{Put: &p}.Failure())
		}
	}
	runtime.Gosched()
	for {
		for i, p := range b.Puts {
			b.Puts[i].Version, _ = versionOf(ctx, s, p.Key)
		}
		if err := s.Apply(ctx, b); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
}

func versionOf(ctx context.Context, s storage.Store, k storage.Key) (int64, error) {
	docs, _, err := s.Get(ctx, []storage.Key{k})
	if err != nil || len(docs) == 0 {
		return 0, err
	}
	return docs[0].Version, nil
}

// each gives the operations in lock order as batches of their own.
func each(b storage.Batch) ([]storage.Batch, error) {
	ops, err := b.Ops()
	var batches []storage.Batch
	for _, op := range ops {
		switch {
		case op.Check != nil:
			batches = append(batches, storage.Batch{Checks: []storage.Check{*op.Check}})
		case op.Put != nil:
			batches = append(batches, storage.Batch{Puts: []storage.Put{*op.Put}})
		case op.Drop != nil:
			batches = append(batches, storage.Batch{Drops: []storage.Drop{*op.Drop}})
		default:
			batches = append(batches, storage.Batch{Adds: []storage.Add{*op.Add}})
		}
	}
	return batches, err
}

func oneByOne(ctx context.Context, s storage.Store, b storage.Batch) error {
	batches, err := each(b)
	for _, one := range batches {
		if err := s.Apply(ctx, one); err != nil {
			return err
		}
	}
	return err
}

func ignoreConflicts(ctx context.Context, s storage.Store, b storage.Batch) error {
	batches, err := each(b)
	for _, one := range batches {
		if err := s.Apply(ctx, one); err != nil && !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return err
}

func judgeCountersFirst(ctx context.Context, s storage.Store, b storage.Batch) error {
	for _, a := range b.Adds {
		_, values, err := s.Get(ctx, nil, a.Counter)
		if err != nil {
			break // let the store say what is wrong
		}
		if _, allowed := a.After(values[a.Counter]); !allowed {
			return storage.Op{Add: &a}.Failure()
		}
	}
	return s.Apply(ctx, b)
}

func skipZero(ctx context.Context, s storage.Store, b storage.Batch) error {
	b.Adds = slices.DeleteFunc(slices.Clone(b.Adds), func(a storage.Add) bool { return a.Delta == 0 })
	return s.Apply(ctx, b)
}

func saturate(ctx context.Context, s storage.Store, b storage.Batch) error {
	b.Adds = slices.Clone(b.Adds)
	for i, a := range b.Adds {
		_, values, _ := s.Get(ctx, nil, a.Counter)
		if now := values[a.Counter]; now > 0 && a.Delta > math.MaxInt64-now {
			b.Adds[i].Delta = math.MaxInt64 - now
		} else if now < 0 && a.Delta < math.MinInt64-now {
			b.Adds[i].Delta = math.MinInt64 - now
		}
	}
	return s.Apply(ctx, b)
}

func pruneByClock(ctx context.Context, s storage.Store, b storage.Batch) error {
	if err := s.Apply(ctx, b); err != nil {
		return err
	}
	_, err := s.(*memory.Store).Prune(ctx, time.Now())
	return err
}

func ignoreContext(_ context.Context, s storage.Store, b storage.Batch) error {
	return s.Apply(context.Background(), b)
}

func sameBytesNoChange(ctx context.Context, s storage.Store, b storage.Batch) error {
	b.Puts = slices.DeleteFunc(slices.Clone(b.Puts), func(p storage.Put) bool {
		docs, _, _ := s.Get(ctx, []storage.Key{p.Key})
		return len(docs) == 1 && docs[0].Version == p.Version && bytes.Equal(docs[0].Body, p.Body)
	})
	return s.Apply(ctx, b)
}

func neverLeave(ctx context.Context, s storage.Store, b storage.Batch) error {
	for i, p := range b.Puts {
		docs, _, _ := s.Get(ctx, []storage.Key{p.Key})
		for _, doc := range docs {
			for _, old := range doc.Lists {
				if len(b.Puts[i].Lists) < storage.MaxLists && !slices.ContainsFunc(p.Lists, func(l storage.Listing) bool { return l.List == old.List }) {
					b.Puts[i].Lists = append(b.Puts[i].Lists, old)
				}
			}
		}
	}
	return s.Apply(ctx, b)
}

// whole reads a listing without its pages.
func whole(ctx context.Context, s storage.Store, q storage.Query) ([]storage.Doc, storage.Query, error) {
	q, err := q.Validate()
	if err != nil {
		return nil, q, err
	}
	all := q
	all.After, all.Limit = "", storage.MaxPage
	page, err := s.List(ctx, all)
	return page.Docs, q, err
}

func pageByOffset(ctx context.Context, s storage.Store, q storage.Query) (storage.Page, error) {
	docs, q, err := whole(ctx, s, q)
	if err != nil {
		return storage.Page{}, err
	}
	offset, _, _ := q.After.Position()
	docs = docs[min(int(offset), len(docs)):]
	page := storage.Page{Docs: docs[:min(q.Limit, len(docs))]}
	if len(docs) > q.Limit {
		page.Next = storage.CursorAt(offset+int64(q.Limit), "")
	}
	return page, nil
}

// pageByPlace goes on behind the place that it came to.
func pageByPlace(ctx context.Context, s storage.Store, q storage.Query) (storage.Page, error) {
	page, err := s.List(ctx, q)
	place, _, cursorErr := page.Next.Position()
	switch {
	case cursorErr != nil || q.List == "" && q.DueBefore == 0:
	case q.Newest:
		page.Next = storage.CursorAt(place, "")
	default:
		page.Next = storage.CursorAt(place, "\U0010FFFF")
	}
	return page, err
}

func alwaysNext(ctx context.Context, s storage.Store, q storage.Query) (storage.Page, error) {
	page, err := s.List(ctx, q)
	if n := len(page.Docs); err == nil && n > 0 && n == q.Limit && page.Next == "" {
		page.Next = storage.CursorAt(math.MaxInt64, page.Docs[n-1].Key.ID)
	}
	return page, err
}

func inclusive(ctx context.Context, s storage.Store, q storage.Query) (storage.Page, error) {
	if q.Until != 0 && q.Until != math.MaxInt64 {
		q.Until++
	}
	if q.DueBefore != 0 && q.DueBefore != math.MaxInt64 {
		q.DueBefore++
	}
	return s.List(ctx, q)
}

func zeroIsABound(ctx context.Context, s storage.Store, q storage.Query) (storage.Page, error) {
	if q.List != "" && q.Until != 0 && q.From == 0 {
		q.From = 1
	}
	return s.List(ctx, q)
}

func backwardsKinds(ctx context.Context, s storage.Store, q storage.Query) (storage.Page, error) {
	if q.List == "" && q.DueBefore == 0 {
		q.Newest = !q.Newest
	}
	return s.List(ctx, q)
}

// sharing gives the caller's own bytes back, again and again.
type sharing struct {
	storage.Store
	mu     sync.Mutex
	bodies map[storage.Key][]byte
}

func newSharing() storage.Store {
	return &sharing{Store: memory.New(), bodies: make(map[storage.Key][]byte)}
}

func (s *sharing) Apply(ctx context.Context, b storage.Batch) error {
	err := s.Store.Apply(ctx, b)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range b.Puts {
		if err == nil {
			s.bodies[p.Key] = p.Body
		}
	}
	return err
}

func (s *sharing) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	docs, values, err := s.Store.Get(ctx, keys, counters...)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range docs {
		docs[i].Body = s.bodies[docs[i].Key]
	}
	return docs, values, err
}

// impatient is an engine whose lost deadlocks and time-outs reach the caller.
type impatient struct {
	storage.Store
	mu sync.Mutex
}

func newImpatient() storage.Store { return &impatient{Store: memory.New()} }

func (i *impatient) Apply(ctx context.Context, b storage.Batch) error {
	if !i.mu.TryLock() {
		return errors.New("deadlock found when trying to get lock")
	}
	defer i.mu.Unlock()
	runtime.Gosched()
	return i.Store.Apply(ctx, b)
}
