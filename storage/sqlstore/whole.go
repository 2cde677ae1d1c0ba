package sqlstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vouch-go/vouch/storage"
)

// wholeOp is an operation as the function for whole batches takes it. A
// counter's name is its id, and the time after which it may go its due.
type wholeOp struct {
	Op      storage.OpKind `json:"op"`
	Kind    string         `json:"kind,omitempty"`
	ID      string         `json:"id"`
	Version int64          `json:"version"`
	Due     *int64         `json:"due,omitempty"`
	Lists   string         `json:"lists"`
	Body    string         `json:"body,omitempty"`
	Delta   int64          `json:"delta"`
	Low     int64          `json:"low"`
	High    int64          `json:"high"`
}

func newWholeOp(op storage.Op) (wholeOp, error) {
	due := func(micros int64) *int64 {
		if micros == 0 {
			return nil
		}
		return &micros
	}
	w := wholeOp{Op: op.Failure().Op, Kind: op.Key().Kind, ID: op.Key().ID, Version: op.Version()}
	var err error
	switch {
	case op.Put != nil:
		w.Due, w.Body = due(op.Put.Due), string(op.Put.Body)
		w.Lists, err = pack(op.Put.Lists)
	case op.Add != nil:
		w.ID, w.Delta, w.Due = op.Add.Counter, op.Add.Delta, due(op.Add.Until)
		var possible bool
		if w.Low, w.High, possible = room(*op.Add); !possible {
			w.Low, w.High = 1, 0 // no value lies there
		}
	}
	return w, err
}

// judgeWhole judges a batch in one statement, which gives the number of the first
// operation that was refused.
func (s *Store) judgeWhole(ctx context.Context, c conn, ops []storage.Op) error {
	whole := make([]wholeOp, len(ops))
	for i, op := range ops {
		var err error
		if whole[i], err = newWholeOp(op); err != nil {
			return fmt.Errorf("sqlstore: cannot write %s: %w", target(op), err)
		}
	}
	var batch bytes.Buffer
	encoder := json.NewEncoder(&batch)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(whole); err != nil {
		return fmt.Errorf("sqlstore: cannot write the batch: %w", err)
	}
	refused := 0
	if err := c.query(ctx, "SELECT "+s.tables.prefix+"apply(?)", []any{batch.String()}, func(scan scan) error { return scan(&refused) }); err != nil {
		return s.fail(ctx, "cannot apply the batch", err)
	}
	if refused > 0 {
		return s.refuse(ctx, c, ops[refused-1])
	}
	return nil
}

// applyAtOnce applies a batch in one statement that commits by itself.
func (s *Store) applyAtOnce(ctx context.Context, ops []storage.Op) error {
	handle, err := s.db.Conn(ctx)
	if err != nil {
		return s.fail(ctx, "cannot connect", err)
	}
	defer handle.Close()
	c := s.on(handle)
	err = errAsk
	if atOncePossible(ops) {
		err = s.judgeOnce(ctx, c, ops)
		if err == errAsk {
			if refused, err := s.inTheWay(ctx, c, ops); err != nil || refused != nil {
				if err == nil {
					err = refused
				}
				return err
			}
		}
	}
	if err == errAsk {
		err = s.judgeWhole(ctx, c, ops)
	}
	var refused *storage.Failure
	if err == nil || errors.As(err, &refused) {
		return err
	}
	return s.atOnce(err, err)
}

// inTheWay reads what refuses a batch, if anything does by now.
func (s *Store) inTheWay(ctx context.Context, c conn, ops []storage.Op) (*storage.Failure, error) {
	j := joint{each: [][]storage.Op{ops}}
	j.ask(true)
	found, err := s.standing(ctx, c, j.keys, j.counters)
	if err != nil {
		return nil, s.fail(ctx, "cannot read what refused the batch", err)
	}
	return judgeEach(found, j.asked, j.each).refused[0], nil
}
