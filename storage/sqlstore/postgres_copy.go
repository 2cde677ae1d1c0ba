package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"io"
	"reflect"
	"strconv"
	"sync"
)

// copiedRows is from how many new rows on COPY is quicker than the function "record": it
// takes more round trips.
const copiedRows = 1000

// copyGroup writes what a group comes to with its new rows by COPY, in a transaction. It
// is false, and nothing was done, where that does not pay or can't be: for few documents,
// in a transaction that is there already, and with another driver than pgx.
func (s *Store) copyGroup(ctx context.Context, c conn, w writes) (done bool, err error) {
	handle := connOf(c)
	if len(w.made) < copiedRows || handle == nil || !copies(handle) {
		return false, nil
	}
	before, entered, after := w, w.moves.into, writes{counted: w.counted} // in lock order
	before.made, before.counted = nil, nil
	if len(entered) >= copiedRows {
		before.moves.into = nil
	} else {
		entered = nil
	}
	store := func(c conn, w writes) error {
		if w.empty() && len(w.checked)+len(w.moves.into) == 0 {
			return nil
		}
		return s.storeWrites(ctx, c, w, func(_, failed error) error { return failed })
	}
	return true, s.transactOn(ctx, handle, sql.LevelReadCommitted, func(_ *sql.Tx, c conn) error {
		if err := store(c, before); err != nil {
			return err
		}
		if err := s.copyRows(ctx, handle, s.tables.docs+" (kind, id, version, due, lists, body)", rowsToCopy(w.made, appendDoc)); err != nil {
			return err
		}
		if len(entered) > 0 {
			if err := s.copyRows(ctx, handle, s.tables.lists+" (kind, list, place, id)", rowsToCopy(entered, appendListRow)); err != nil {
				return err
			}
		}
		return store(c, after)
	})
}

// copyRows inserts rows by COPY, in the transaction that is open on a connection. It fails
// with errRaced when one is there, or when the table takes no COPY, as with security by
// row: the next attempt does without.
func (s *Store) copyRows(ctx context.Context, handle *sql.Conn, table string, rows *copyReader) error {
	defer rows.stop()
	var failed error // out of Raw's sight, which would wait for the transaction to end if it were driver.ErrBadConn
	err := handle.Raw(func(driver any) error {
		failed = copyFrom(driver)(ctx, rows, "COPY "+table+" FROM STDIN")
		return nil
	})
	err = cmp.Or(err, failed)
	var coded interface{ SQLState() string }
	switch {
	case err == nil:
		return nil
	case errors.As(err, &coded) && (coded.SQLState() == "23505" || coded.SQLState() == "0A000"):
		return errRaced
	}
	return s.fail(ctx, "cannot copy the rows of the batches", err)
}

// connOf is the connection that statements run on, where it is one outside a transaction.
func connOf(c conn) *sql.Conn {
	if n, numbers := c.(numbered); numbers {
		c = n.conn
	}
	if on, std := c.(standardConn); std {
		handle, _ := on.standard.(*sql.Conn)
		return handle
	}
	return nil
}

// copies says that a connection has a COPY that is known here.
func copies(handle *sql.Conn) (can bool) {
	err := handle.Raw(func(driver any) error {
		can = copyFrom(driver) != nil
		return nil
	})
	return can && err == nil
}

// copyFrom finds the method CopyFrom of pgx's pgconn.PgConn by the names of the methods
// that lead to it from a connection of its stdlib: Conn().PgConn(). nil: the connection is
// another's.
func copyFrom(driver any) func(ctx context.Context, rows io.Reader, statement string) error {
	via := func(method reflect.Value) (reflect.Value, bool) {
		if !method.IsValid() || method.Type().NumIn() != 0 || method.Type().NumOut() != 1 || method.Type().Out(0).Kind() != reflect.Pointer {
			return method, false
		}
		to := method.Call(nil)[0]
		return to, !to.IsNil()
	}
	// MethodByName with a constant, or the linker keeps all methods of the program.
	connection := reflect.ValueOf(driver)
	if !connection.IsValid() {
		return nil
	}
	conn, is := via(connection.MethodByName("Conn"))
	if !is {
		return nil
	}
	pgConn, is := via(conn.MethodByName("PgConn"))
	if !is {
		return nil
	}
	method := pgConn.MethodByName("CopyFrom")
	if !method.IsValid() {
		return nil
	}
	t := method.Type()
	if t.IsVariadic() || t.NumIn() != 3 || t.In(0) != reflect.TypeFor[context.Context]() || t.In(1) != reflect.TypeFor[io.Reader]() ||
		t.In(2) != reflect.TypeFor[string]() || t.NumOut() != 2 || t.Out(1) != reflect.TypeFor[error]() {
		return nil
	}
	return func(ctx context.Context, rows io.Reader, statement string) error {
		answer := method.Call([]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(rows), reflect.ValueOf(statement)})
		err, _ := answer[1].Interface().(error)
		return err
	}
}

// copyReader gives rows as COPY takes them
// (postgresql.org/docs/current/sql-copy.html#id-1.9.55.9.2).
type copyReader struct {
	mu   sync.Mutex
	text []byte
	more func(to []byte) ([]byte, error) // adds a row; io.EOF: there are no more
	err  error
}

func rowsToCopy[R any](rows []R, appendRow func(to []byte, row R) ([]byte, error)) *copyReader {
	return &copyReader{more: func(to []byte) ([]byte, error) {
		if len(rows) == 0 {
			return to, io.EOF
		}
		row := rows[0]
		rows = rows[1:]
		return appendRow(to, row)
	}}
}

func (r *copyReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.err == nil && len(r.text) < len(p) {
		r.text, r.err = r.more(r.text)
	}
	if r.err != nil && (r.err != io.EOF || len(r.text) == 0) {
		return 0, r.err
	}
	n := copy(p, r.text)
	r.text = r.text[:copy(r.text, r.text[n:])]
	return n, nil
}

// stop ends the reading: pgx may still be at it when it has answered.
func (r *copyReader) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.more, r.err = nil, io.ErrUnexpectedEOF
}

func appendDoc(to []byte, d *groupDoc) ([]byte, error) {
	packed, err := pack(d.put.Lists)
	to = append(appendCopied(to, d.key.Kind), '\t')
	to = append(appendCopied(to, d.key.ID), '\t')
	to = append(strconv.AppendInt(to, d.now, 10), '\t')
	if d.put.Due == 0 {
		to = append(to, `\N`...)
	} else {
		to = strconv.AppendInt(to, d.put.Due, 10)
	}
	to = append(appendCopied(append(to, '\t'), packed), '\t')
	return append(appendCopied(to, d.put.Body), '\n'), err
}

func appendListRow(to []byte, r listRow) ([]byte, error) {
	to = append(appendCopied(to, r.key.Kind), '\t')
	to = append(appendCopied(to, r.List), '\t')
	to = append(strconv.AppendInt(to, r.Place, 10), '\t')
	return append(appendCopied(to, r.key.ID), '\n'), nil
}

// appendCopied escapes what COPY gives a meaning.
func appendCopied[T string | []byte](to []byte, s T) []byte {
	from := 0
	for i := range len(s) {
		var escaped byte
		switch s[i] {
		case '\\':
			escaped = '\\'
		case '\t':
			escaped = 't'
		case '\n':
			escaped = 'n'
		case '\r':
			escaped = 'r'
		default:
			continue
		}
		to = append(append(to, s[from:i]...), '\\', escaped)
		from = i + 1
	}
	return append(to, s[from:]...)
}
