package storage

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Store keeps documents and counters. All methods are safe for concurrent use,
// unless the store is bound to a transaction of the caller's.
//
// An error that is neither a [*Failure] nor [ErrInvalid] comes from the engine
// or the context. After one from Apply, assume nothing: see [ErrOutcomeUnknown].
type Store interface {
	// Get reads documents by key and counters by name in one round trip. The
	// documents come in the order of their keys in the call; absent ones are
	// left out. Every counter asked for is in the map; an absent one is 0.
	// Each value was committed at some moment of the call, but two of them need
	// not be of the same moment: a batch applied meanwhile may be seen in part,
	// which is why batches carry conditions.
	//
	// At most MaxGet keys and counters together; a key or counter may be named
	// once. Otherwise ErrInvalid.
	Get(ctx context.Context, keys []Key, counters ...string) ([]Doc, map[string]int64, error)

	// List reads a page of the documents of one kind: those in a list, those
	// due, or all. A document that enters or leaves during paging may be
	// missed or seen; all others are seen exactly once.
	List(ctx context.Context, q Query) (Page, error)

	// Apply does all of the batch or none of it. All conditions judge the state
	// before the batch. Batches that have a document they write or a counter
	// they change in common take effect one after the other, in an order that
	// every reader agrees on. When Apply returned nil, every later read sees the
	// batch. An empty batch is no work and no error.
	//
	// It fails with a [*Failure] when a condition does not hold, with
	// ErrInvalid when the batch breaks the contract, and with ErrOutcomeUnknown
	// when the engine could not say whether it was written.
	Apply(ctx context.Context, b Batch) error
}

// Limits of the contract. A call beyond one of them is [ErrInvalid].
const (
	MaxKind    = 63      // bytes of a kind
	MaxID      = 190     // bytes of an id
	MaxList    = 190     // bytes of a list's name
	MaxCounter = 255     // bytes of a counter's name
	MaxLists   = 8       // lists one document stands in
	MaxBody    = 4 << 20 // bytes of a body
	MaxOps     = 1000    // operations in a batch; a business operation stays below 100
	MaxGet     = 1000    // keys and counters in one Get
	MaxPage    = 1000    // documents in a page
	PageSize   = 100     // documents in a page whose Query gives no limit
)

// Key names a document: a kind (never empty) and an id (which may be). Both are
// valid UTF-8 without NUL and compare as bytes: letter case, accents and
// trailing blanks tell keys apart.
type Key struct {
	Kind string
	ID   string
}

// String gives "kind/id", for messages only.
func (k Key) String() string { return k.Kind + "/" + k.ID }

// Compare orders keys by kind, then id, as bytes.
func (k Key) Compare(other Key) int {
	if c := strings.Compare(k.Kind, other.Kind); c != 0 {
		return c
	}
	return strings.Compare(k.ID, other.ID)
}

// Doc is a document as it stands in the store.
type Doc struct {
	Key     Key
	Version int64     // 1 when created, +1 with each Put
	Lists   []Listing // the lists it stands in, at most MaxLists, ordered by name
	Due     int64     // unix microseconds when it wants attention; 0 never
	Body    []byte    // a JSON object in UTF-8, kept byte for byte
}

// Listing is one list a document stands in, and its place there: usually an
// instant in unix microseconds. A document stands in a list once at most.
type Listing struct {
	List  string
	Place int64
}

// Batch is a set of conditions and writes that happen together or not at all. A
// key or a counter occurs once in a batch.
type Batch struct {
	Checks []Check
	Puts   []Put
	Drops  []Drop
	Adds   []Add
}

// Check holds when the document is at this version; 0: when there is none. It
// takes no lock: it sees what was committed before the batch is judged.
type Check struct {
	Key     Key
	Version int64
}

// Put writes the document if it is at Version; 0: if there is none. The written
// document is at Version+1, and stands in exactly the lists given here.
type Put Doc

// Drop deletes the document if it is at Version, which is at least 1. Drop only
// ids that are never created again: a version that starts anew at 1 would let a
// stale Put through.
type Drop struct {
	Key     Key
	Version int64
}

// Add changes a counter by Delta, and is refused with [ErrLimit] when the result
// would lie outside [Min, Max] or beyond int64. A counter that was never changed
// is 0. Use math.MinInt64 and math.MaxInt64 for no bound. A Delta of 0 is judged
// too.
//
// Until, if not 0, lets the store discard the counter after that instant (unix
// microseconds); it reads as 0 from then on. The latest Add decides. Stores
// discard only when told to: no clock of theirs is involved.
type Add struct {
	Counter string
	Delta   int64
	Min     int64
	Max     int64
	Until   int64
}

// Empty says that the batch has no operation.
func (b Batch) Empty() bool { return b.Len() == 0 }

// Len is the number of operations.
func (b Batch) Len() int { return len(b.Checks) + len(b.Puts) + len(b.Drops) + len(b.Adds) }

// Query asks for a page of documents of one kind, in one of three orders:
//   - with List: the documents in that list, by (place, id), those with
//     From <= place < Until. A From or Until of 0 is no bound.
//   - with DueBefore: the documents with 0 < Due < DueBefore, by (due, id).
//   - with neither: all documents of the kind, by id.
//
// List and DueBefore together, From or Until without List, or a limit below 0 or
// above MaxPage are ErrInvalid.
type Query struct {
	Kind      string
	List      string
	From      int64
	Until     int64
	DueBefore int64
	Newest    bool   // the order reversed
	After     Cursor // the Next of the page before; empty for the first page
	Limit     int    // documents in the page; 0: PageSize
}

// Page is an answer to a Query. Next is empty when there was nothing after it.
type Page struct {
	Docs []Doc
	Next Cursor
}

// Cursor is a position in a listing: opaque to callers, safe to keep, and still
// good after documents came or went. Escape it before putting it into a URL.
type Cursor string

// CursorAt makes the cursor of a document: its place (or due instant, or 0 when
// a whole kind is listed) and its id. For stores.
func CursorAt(place int64, id string) Cursor {
	return Cursor(strconv.FormatInt(place, 10) + ":" + id)
}

// Position takes a cursor apart again. For stores. It fails with ErrInvalid
// when the cursor did not come from CursorAt; an empty cursor has no position.
func (c Cursor) Position() (place int64, id string, err error) {
	head, id, found := strings.Cut(string(c), ":")
	place, parseErr := strconv.ParseInt(head, 10, 64)
	if !found || parseErr != nil || CursorAt(place, id) != c {
		return 0, "", fmt.Errorf("%w: the cursor %q is not one that a page returned", ErrInvalid, string(c))
	}
	return place, id, nil
}
