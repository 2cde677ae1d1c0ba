package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/vouch-go/vouch/storage"
)

// DefaultPrefix is what the names of tables, indexes and views begin with.
const DefaultPrefix = "vouch_"

// Options are what New does not need to be told. The zero value works.
type Options struct {
	// Prefix is what the names of all tables, indexes and views begin with:
	// [a-z][a-z0-9_]*, at most 24 bytes. Default DefaultPrefix.
	Prefix string

	// Attempts is how often a transaction is tried in all when the database asks
	// for it to be done again. No new attempt begins after 10 s. Default 10. 1:
	// never again.
	Attempts int

	// Log is told what staff should look into, and at the level of debugging all
	// other events (see [Event]). nil: nothing is logged.
	Log *slog.Logger

	// Observe is told of every event, in the goroutine of the call: it must be quick
	// and safe for concurrent use. [Counts] counts them. nil costs nothing.
	Observe func(context.Context, Event)

	// Classify says what an error means before the dialect is asked, for drivers
	// whose errors the dialect does not recognise. Other leaves it to the dialect.
	Classify func(error) Class
}

// Store keeps documents and counters in a SQL database. It is safe for
// concurrent use, unless it is bound to a transaction by [Store.Within].
type Store struct {
	db       *sql.DB
	tx       conn // nil when not bound to a transaction of the caller's
	engine   engine
	steps    steps // nil when the engine applies whole batches
	tables   tables
	attempts int
	classify func(error) Class
	log      *slog.Logger
	observed func(context.Context, Event)
	turns    chan struct{} // holds the turn to write; nil when the engine has many writers
	once     *statements   // that apply a whole batch
	doubts   *doubts       // that groups hold as they are
}

var _ storage.Store = (*Store)(nil)

var validPrefix = regexp.MustCompile(`^[a-z][a-z0-9_]{0,23}$`)

// New makes the store over a pool. It does not touch the database: call
// [Store.Migrate] once at start. It fails with storage.ErrInvalid and every
// fault.
func New(db *sql.DB, dialect Dialect, options Options) (*Store, error) {
	var faults []error
	if db == nil {
		faults = append(faults, errors.New("the database is nil: open it with sql.Open"))
	}
	engine, err := dialect.engine()
	if err != nil {
		faults = append(faults, err)
	}
	if options.Prefix == "" {
		options.Prefix = DefaultPrefix
	}
	if !validPrefix.MatchString(options.Prefix) {
		faults = append(faults, fmt.Errorf("prefix %.40q does not match %s", options.Prefix, validPrefix))
	}
	if options.Attempts == 0 {
		options.Attempts = 10
	}
	if options.Attempts < 0 {
		faults = append(faults, fmt.Errorf("%d attempts: at least 1 is needed, 0 means 10", options.Attempts))
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("sqlstore: cannot make the store: %w: %w", storage.ErrInvalid, errors.Join(faults...))
	}
	s := &Store{
		db: db, engine: engine, steps: engine.steps(), tables: newTables(options.Prefix), attempts: options.Attempts,
		log: options.Log, observed: options.Observe, once: new(statements), doubts: new(doubts),
	}
	if engine.oneWriter() {
		s.turns = make(chan struct{}, 1)
	}
	s.classify = engine.classify
	if own := options.Classify; own != nil {
		s.classify = func(err error) Class {
			if class := own(err); class != Other {
				return class
			}
			return engine.classify(err)
		}
	}
	return s, nil
}

// Get reads documents and counters in one statement. See [storage.Store].
func (s *Store) Get(ctx context.Context, keys []storage.Key, counters ...string) ([]storage.Doc, map[string]int64, error) {
	if err := storage.ValidateGet(keys, counters); err != nil {
		return nil, nil, err
	}
	var docs []storage.Doc
	var values map[string]int64
	err := s.retry(ctx, "Get", func() (err error) {
		docs, values, err = s.get(ctx, keys, counters)
		return err
	})
	return docs, values, err
}

func (s *Store) get(ctx context.Context, keys []storage.Key, counters []string) ([]storage.Doc, map[string]int64, error) {
	values := make(map[string]int64, len(counters))
	for _, name := range counters {
		values[name] = 0
	}
	if len(keys)+len(counters) == 0 {
		return nil, values, nil
	}
	var statement string
	var args []any
	if len(keys)+len(counters) > s.engine.apart() {
		statement, args = s.engine.readMany(s.tables, keys, counters)
	}
	if statement == "" {
		statement, args = s.reading("body", keys, counters)
	}
	found := make(map[storage.Key]storage.Doc, len(keys))
	err := s.reader().query(ctx, statement, args, func(scan scan) error {
		doc, err := scanDoc(scan)
		if doc.Key.Kind == "" {
			values[doc.Key.ID] = doc.Version
		} else {
			found[doc.Key] = doc
		}
		return err
	})
	if err != nil {
		return nil, nil, s.fail(ctx, "cannot read", err)
	}
	docs := make([]storage.Doc, 0, len(found))
	for _, k := range keys {
		if doc, ok := found[k]; ok {
			docs = append(docs, doc)
		}
	}
	return docs, values, nil
}

// reading writes the statement that finds documents and counters. A counter
// travels as a row with an empty kind, which no document has.
func (s *Store) reading(body string, keys []storage.Key, counters []string) (string, []any) {
	var parts []string
	args := make([]any, 0, 2*len(keys)+len(counters))
	each := func(selecting string, n int, columns ...string) {
		if n <= s.engine.apart() {
			one := selecting + " WHERE " + strings.Join(columns, " = ? AND ") + " = ?"
			for range n {
				parts = append(parts, one)
			}
		} else if n > 0 {
			parts = append(parts, selecting+" WHERE "+s.engine.among(columns, n))
		}
	}
	each("SELECT kind, id, version, due, lists, "+body+" FROM "+s.tables.docs+s.engine.by(""), len(keys), "kind", "id")
	for _, k := range keys {
		args = append(args, k.Kind, k.ID)
	}
	each("SELECT '', name, value, NULL, '', '' FROM "+s.tables.counters+s.engine.by(""), len(counters), "name")
	for _, name := range counters {
		args = append(args, name)
	}
	return strings.Join(parts, " UNION ALL "), args
}

// Prune deletes the counters that were given an Until at or before now, and says
// how many there were.
func (s *Store) Prune(ctx context.Context, now time.Time) (int, error) {
	var n int64
	err := s.retry(ctx, "Prune", func() error {
		var err error
		n, err = s.reader().exec(ctx, "DELETE FROM "+s.tables.counters+" WHERE "+s.tables.counters+".until <= ?", now.UnixMicro())
		if err != nil {
			return s.fail(ctx, "cannot prune counters", err)
		}
		return nil
	})
	return int(n), err
}

// reader is where statements go that need no transaction of ours.
func (s *Store) reader() conn {
	if s.tx != nil {
		return s.tx
	}
	return s.on(s.db)
}

// on runs statements on a handle of database/sql.
func (s *Store) on(handle standard) conn { return s.engine.conn(standardConn{handle}) }

// scanDoc reads the columns kind, id, version, due, lists, body.
func scanDoc(scan scan, more ...any) (storage.Doc, error) {
	var doc storage.Doc
	var due sql.NullInt64
	var packed string
	columns := append([]any{&doc.Key.Kind, &doc.Key.ID, &doc.Version, &due, &packed, &doc.Body}, more...)
	if err := scan(columns...); err != nil {
		return doc, err
	}
	lists, err := unpack(packed)
	if err != nil {
		return doc, fmt.Errorf("%w: %s: its lists: %w", storage.ErrCorrupt, doc.Key, err)
	}
	doc.Due, doc.Lists = due.Int64, lists
	return doc, nil
}

// fail wraps an error of the engine or the context with what it means.
func (s *Store) fail(ctx context.Context, doing string, err error) error {
	class := s.classify(err)
	switch {
	case class == ReadOnly:
		err = fmt.Errorf("%w: %w", ErrReadOnly, err)
	case class == Unmigrated:
		err = fmt.Errorf("%w: %w", ErrNotMigrated, err)
	case errors.Is(err, sql.ErrConnDone) || err.Error() == "sql: database is closed": // database/sql exports no such error
		err = fmt.Errorf("%w: %w", ErrClosed, err)
	}
	err = fmt.Errorf("sqlstore: %s: %w", doing, err)
	switch cause := ctx.Err(); {
	case cause != nil && !errors.Is(err, cause): // drivers say "interrupted"
		return fmt.Errorf("%w: %w", err, cause)
	case cause == nil && class == Transient:
		return &transient{err}
	}
	return err
}
