package sqlstore

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/vouch-go/vouch/storage"
)

var _ storage.Grouper = (*Store)(nil)

// groupAttempts is how often batches are tried together before each goes its own
// way.
const groupAttempts = 3

// errRaced: another has changed between reading and writing what a group rests on.
// Nothing was written.
var errRaced = errors.New("sqlstore: another was faster")

// GroupsAtOnce is how many groups [storage.Grouped] applies at once: two on PostgreSQL, which
// writes the one while the next is judged. SQLite has one writer, and on MySQL and MariaDB two
// groups that change the same counter wait for each other longer than they gain.
func (s *Store) GroupsAtOnce() int {
	if _, is := s.engine.(postgres); is {
		return 2
	}
	return 1
}

// ApplyEach applies batches in one transaction, each judged by itself. See
// [storage.Grouper]; [storage.Grouped] collects the batches of many callers for it.
//
// What the batches rest on is read once, they are judged here, and what they come
// to is written in few statements, which are conditional on what was read. When the
// database refuses the whole, each batch is applied by itself. Inside a transaction of
// the caller's each always is.
func (s *Store) ApplyEach(ctx context.Context, batches []storage.Batch) []error {
	answers := make([]error, len(batches))
	each := make([][]storage.Op, 0, len(batches))
	places := make([]int, 0, len(batches)) // of each in batches
	for i := range batches {
		ops, err := batches[i].Ops()
		if err != nil || len(ops) == 0 {
			answers[i] = err
			continue
		}
		each, places = append(each, ops), append(places, i)
	}
	alone := func(int) bool { return true }
	if s.tx == nil && len(each) > 1 {
		verdicts, err := s.applyTogether(ctx, each)
		if verdicts != nil {
			for i, refused := range verdicts {
				switch {
				case refused == nil:
					answers[places[i]] = err
				case err == nil:
					answers[places[i]] = refused
				}
				s.observeEnd(ctx, "Apply", 1, answers[places[i]])
			}
			alone = func(i int) bool { return err != nil && verdicts[i] != nil }
		}
	}
	for i, ops := range each {
		if alone(i) {
			answers[places[i]] = s.applyOps(ctx, ops)
		}
	}
	return answers
}

// applyTogether gives a verdict for each batch: nil for those that hold. Its error
// is that of all which hold: that it is not known whether they were written. Without
// verdicts nothing was written.
func (s *Store) applyTogether(ctx context.Context, each [][]storage.Op) ([]*storage.Failure, error) {
	for attempt := range groupAttempts {
		again := attempt > 0
		j := &joint{each: each}
		err := s.engine.applyGroup(ctx, s, j, again)
		switch {
		case err == nil || errors.Is(err, storage.ErrOutcomeUnknown):
			return j.group.refused, err
		case Retryable(err):
			s.observe(ctx, Event{EventRetry, "Apply", attempt + 1, err})
			pause(ctx, backoff(attempt+1))
		case errors.Is(err, errRaced):
			s.observe(ctx, Event{EventRetry, "Apply", attempt + 1, err})
		default:
			return nil, err
		}
	}
	return nil, errRaced
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// joint is batches on their way through one transaction.
type joint struct {
	each  [][]storage.Op
	group *group // once judged

	// What is to be read, once asked.
	keys     []storage.Key
	asked    map[storage.Key]bool
	counters []string
}

// ask works out what the batches rest on: what they check or change, and all counters.
// Documents that are to be made only if it is thorough: that one exists is rare, and
// noticed when it is written.
func (j *joint) ask(thorough bool) {
	docs, adds := sizes(j.each)
	j.keys, j.asked, j.counters = nil, make(map[storage.Key]bool, docs/2), nil
	counters := make(map[string]bool, adds)
	for _, ops := range j.each {
		for _, op := range ops {
			if op.Add != nil {
				if !counters[op.Add.Counter] {
					counters[op.Add.Counter] = true
					j.counters = append(j.counters, op.Add.Counter)
				}
				continue
			}
			if k := op.Key(); !j.asked[k] && (thorough || op.Check != nil || op.Version() > 0) {
				j.asked[k] = true
				j.keys = append(j.keys, k)
			}
		}
	}
}

// toChange are the documents that the batches change or drop, in order.
func toChange(each [][]storage.Op) []storage.Key {
	keys := make(map[storage.Key]bool)
	for _, ops := range each {
		for _, op := range ops {
			if op.Check == nil && op.Add == nil && op.Version() > 0 {
				keys[op.Key()] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(keys), storage.Key.Compare)
}

// sizes is how many operations are about documents, and how many about counters.
func sizes(each [][]storage.Op) (docs, adds int) {
	for _, ops := range each {
		for i := range ops {
			if ops[i].Add != nil {
				adds++
			} else {
				docs++
			}
		}
	}
	return docs, adds
}

// judge judges the batches on what was found, and gives what they come to. read
// finds documents that were not asked for and whose absence a refusal turns out to
// rest on; whatever it finds, the same batches are refused.
func (j *joint) judge(found standing, read func(standing, []storage.Key) error) (writes, error) {
	j.group = judgeEach(found, j.asked, j.each)
	var doubted []storage.Key
	for _, k := range j.group.doubted {
		if !j.asked[k] {
			j.asked[k] = true
			doubted = append(doubted, k)
		}
	}
	if len(doubted) > 0 {
		if err := read(found, doubted); err != nil {
			return writes{}, err
		}
		j.group = judgeEach(found, j.asked, j.each)
	}
	return j.group.writes(), nil
}

// lockable is what a transaction may lock: what it changes and was there a moment ago.
func (j *joint) lockable(found standing) (keys []storage.Key, counters []string) {
	changed := make(map[storage.Key]bool)
	for _, ops := range j.each {
		for _, op := range ops {
			if op.Add == nil && op.Check == nil {
				if _, there := found.docs[op.Key()]; there {
					changed[op.Key()] = true
				}
			}
		}
	}
	for _, name := range j.counters {
		if _, there := found.counters[name]; there {
			counters = append(counters, name)
		}
	}
	slices.Sort(counters)
	return slices.SortedFunc(maps.Keys(changed), storage.Key.Compare), counters
}
