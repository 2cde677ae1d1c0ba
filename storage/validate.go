package storage

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vouch-go/vouch/storage/jsonbody"
)

// Op is one operation of a batch: exactly one member is set.
type Op struct {
	Check *Check
	Put   *Put
	Drop  *Drop
	Add   *Add
}

// Key is the document the operation is about; the zero Key for an Add.
func (o Op) Key() Key {
	switch {
	case o.Check != nil:
		return o.Check.Key
	case o.Put != nil:
		return o.Put.Key
	case o.Drop != nil:
		return o.Drop.Key
	}
	return Key{}
}

// Version is the version the operation expects of its document.
func (o Op) Version() int64 {
	switch {
	case o.Check != nil:
		return o.Check.Version
	case o.Put != nil:
		return o.Put.Version
	case o.Drop != nil:
		return o.Drop.Version
	}
	return 0
}

// Failure is the refusal of this operation: ErrLimit for an Add, ErrConflict for
// the others.
func (o Op) Failure() *Failure {
	switch {
	case o.Check != nil:
		return &Failure{Op: OpCheck, Key: o.Check.Key, Err: ErrConflict}
	case o.Put != nil:
		return &Failure{Op: OpPut, Key: o.Put.Key, Err: ErrConflict}
	case o.Drop != nil:
		return &Failure{Op: OpDrop, Key: o.Drop.Key, Err: ErrConflict}
	}
	return &Failure{Op: OpAdd, Counter: o.Add.Counter, Err: ErrLimit}
}

// Ops checks the batch against the contract and gives its operations in lock
// order: documents by key, then counters by name. Every store starts with it.
// It fails with ErrInvalid and lists every fault.
func (b *Batch) Ops() ([]Op, error) {
	if err := b.validate(); err != nil {
		return nil, err
	}
	ops := make([]Op, 0, b.Len())
	for i := range b.Checks {
		ops = append(ops, Op{Check: &b.Checks[i]})
	}
	for i := range b.Puts {
		ops = append(ops, Op{Put: &b.Puts[i]})
	}
	for i := range b.Drops {
		ops = append(ops, Op{Drop: &b.Drops[i]})
	}
	slices.SortFunc(ops, func(x, y Op) int { return x.Key().Compare(y.Key()) })
	documents := len(ops)
	for i := range b.Adds {
		ops = append(ops, Op{Add: &b.Adds[i]})
	}
	slices.SortFunc(ops[documents:], func(x, y Op) int { return strings.Compare(x.Add.Counter, y.Add.Counter) })

	var faults faults
	for i := 1; i < len(ops); i++ {
		switch {
		case i < documents && ops[i].Key() == ops[i-1].Key():
			faults.add("document %s occurs twice", ops[i].Key())
		case i > documents && ops[i].Add.Counter == ops[i-1].Add.Counter:
			faults.add("counter %q occurs twice", ops[i].Add.Counter)
		}
	}
	return ops, faults.err("batch")
}

func (b *Batch) validate() error {
	var faults faults
	if n := b.Len(); n > MaxOps {
		faults.add("%d operations, at most %d are allowed: split it", n, MaxOps)
	}
	for _, c := range b.Checks {
		faults.key(c.Key)
		if c.Version < 0 {
			faults.add("check %s: version %d is negative", c.Key, c.Version)
		}
	}
	for _, p := range b.Puts {
		faults.put(p)
	}
	for _, d := range b.Drops {
		faults.key(d.Key)
		if d.Version < 1 {
			faults.add("drop %s: version %d, but only an existing document can be dropped", d.Key, d.Version)
		}
	}
	for _, a := range b.Adds {
		faults.text("counter", a.Counter, MaxCounter)
		if a.Min > a.Max {
			faults.add("add %q: its minimum %d lies above its maximum %d", a.Counter, a.Min, a.Max)
		}
		if a.Until < 0 {
			faults.add("add %q: until %d is negative", a.Counter, a.Until)
		}
	}
	return faults.err("batch")
}

// Validate checks a Get's arguments against the contract.
func ValidateGet(keys []Key, counters []string) error {
	var faults faults
	if n := len(keys) + len(counters); n > MaxGet {
		faults.add("%d keys and counters, at most %d are allowed: split it", n, MaxGet)
	}
	for _, k := range keys {
		faults.key(k)
	}
	for _, c := range counters {
		faults.text("counter", c, MaxCounter)
	}
	for _, k := range twice(keys, Key.Compare) {
		faults.add("document %s occurs twice", k)
	}
	for _, c := range twice(counters, strings.Compare) {
		faults.add("counter %q occurs twice", c)
	}
	return faults.err("get")
}

// twice are the elements that occurred before. Long lists are mostly in order.
func twice[T comparable](all []T, compare func(T, T) int) (again []T) {
	for i := 1; ; i++ {
		if i >= len(all) {
			return nil
		}
		if compare(all[i-1], all[i]) >= 0 {
			break
		}
	}
	if len(all) <= fewElements {
		for i, v := range all {
			if slices.Contains(all[:i], v) {
				again = append(again, v)
			}
		}
		return again
	}
	seen := make(map[T]struct{}, len(all))
	for _, v := range all {
		if _, before := seen[v]; before {
			again = append(again, v)
		}
		seen[v] = struct{}{}
	}
	return again
}

// fewElements are told apart quicker than they are put into a map.
const fewElements = 12

// Validate checks the query against the contract and fills in the default limit.
func (q Query) Validate() (Query, error) {
	var faults faults
	faults.text("kind", q.Kind, MaxKind)
	if q.Kind == "" {
		faults.add("the kind is empty")
	}
	faults.text("list", q.List, MaxList)
	if q.List != "" && q.DueBefore != 0 {
		faults.add("list %q and due before %d: ask for one of them", q.List, q.DueBefore)
	}
	if q.List == "" && (q.From != 0 || q.Until != 0) {
		faults.add("from and until bound places in a list, and no list is given")
	}
	if q.DueBefore < 0 {
		faults.add("due before %d is negative", q.DueBefore)
	}
	if q.After != "" {
		_, id, err := q.After.Position()
		if err != nil {
			faults.add("the cursor %q is not one that a page returned", string(q.After))
		}
		faults.text("the cursor's id", id, MaxID)
	}
	if q.Limit < 0 || q.Limit > MaxPage {
		faults.add("limit %d is not in 0..%d", q.Limit, MaxPage)
	}
	if q.Limit == 0 {
		q.Limit = PageSize
	}
	return q, faults.err("query")
}

// faults collects what is wrong with a call, so that one error names it all.
type faults []error

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

func (f *faults) err(what string) error {
	if len(*f) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", ErrInvalid, what, errors.Join(*f...))
}

func (f *faults) text(what, s string, limit int) {
	switch {
	case len(s) > limit:
		f.add("%s %.40q… has %d bytes, at most %d are allowed", what, s, len(s), limit)
	case !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0:
		f.add("%s %q is not UTF-8 without NUL", what, s)
	}
}

func (f *faults) key(k Key) {
	if k.Kind == "" {
		f.add("document %s has an empty kind", k)
	}
	f.text("kind", k.Kind, MaxKind)
	f.text("id", k.ID, MaxID)
}

func (f *faults) put(p Put) {
	f.key(p.Key)
	if p.Version < 0 {
		f.add("put %s: version %d is negative", p.Key, p.Version)
	}
	if p.Due < 0 {
		f.add("put %s: due %d is negative", p.Key, p.Due)
	}
	if n := len(p.Lists); n > MaxLists {
		f.add("put %s: stands in %d lists, at most %d are allowed", p.Key, n, MaxLists)
	}
	var room [MaxLists]Listing
	names := p.Lists
	if !slices.IsSortedFunc(names, byList) {
		names = append(room[:0], names...)
		slices.SortFunc(names, byList)
	}
	for i, l := range names {
		f.text("list", l.List, MaxList)
		switch {
		case l.List == "":
			f.add("put %s: a list has no name", p.Key)
		case i > 0 && l.List == names[i-1].List:
			f.add("put %s: stands in list %q twice", p.Key, l.List)
		}
	}
	f.body(p)
}

func byList(a, b Listing) int { return cmp.Compare(a.List, b.List) }

// body refuses what some engine could not keep or show: PostgreSQL's JSON has no
// NUL, and a view over one such body would fail for all rows.
func (f *faults) body(p Put) {
	switch {
	case len(p.Body) > MaxBody:
		f.add("put %s: its body has %d bytes, at most %d are allowed", p.Key, len(p.Body), MaxBody)
	case len(p.Body) == 0 || p.Body[0] != '{' || !utf8.Valid(p.Body) || !jsonbody.Valid(p.Body):
		f.add("put %s: its body is not a JSON object in UTF-8", p.Key)
	case !showable(p.Body):
		f.add("put %s: its body has an escaped NUL or half a surrogate pair, which not every engine can show", p.Key)
	}
}

// showable says that the escapes in valid JSON all stand for characters, none of them NUL.
func showable(body []byte) bool {
	for _, character := range jsonbody.Escapes(body) {
		if character == 0 || character == jsonbody.HalfPair {
			return false
		}
	}
	return true
}
