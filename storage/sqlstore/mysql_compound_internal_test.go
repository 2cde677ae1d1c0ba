package sqlstore

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/storage"
)

// drawBatch draws a batch on few documents and counters.
func drawBatch(t *rapid.T) []storage.Op {
	var b storage.Batch
	for i := range 4 {
		k := storage.Key{Kind: "k", ID: fmt.Sprint(i)}
		switch rapid.IntRange(0, 8).Draw(t, "what") {
		case 0, 1:
			b.Checks = append(b.Checks, storage.Check{Key: k, Version: rapid.Int64Range(0, 1).Draw(t, "version")})
		case 2, 3:
			b.Puts = append(b.Puts, storage.Put{Key: k, Body: []byte("{}")})
		case 4:
			b.Puts = append(b.Puts, storage.Put{Key: k, Version: 1, Body: []byte("{}")})
		case 5:
			b.Drops = append(b.Drops, storage.Drop{Key: k, Version: 1})
		}
	}
	for i := range 2 {
		if rapid.Bool().Draw(t, "add") {
			small := rapid.OneOf(rapid.Int64Range(-3, 3), edgy())
			x, y := small.Draw(t, "min"), small.Draw(t, "max")
			b.Adds = append(b.Adds, storage.Add{Counter: fmt.Sprint(i), Delta: small.Draw(t, "delta"), Min: min(x, y), Max: max(x, y)})
		}
	}
	ops, err := b.Ops()
	if err != nil {
		t.Skip(err)
	}
	return ops
}

// TestHopeIsOfWhatHolds: what is written without having been read is what is written
// when it has been, and its conditions hold exactly when each batch does.
func TestHopeIsOfWhatHolds(t *testing.T) {
	hoped, held := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		var each [][]storage.Op
		for range rapid.IntRange(1, 3).Draw(t, "batches") {
			if ops := drawBatch(t); len(ops) > 0 {
				each = append(each, ops)
			}
		}
		w, checks, ok := hopeful(each)
		if !ok {
			return
		}
		hoped++
		found := newStanding(4, 2)
		for i := range 4 {
			if rapid.Bool().Draw(t, "there") {
				k := storage.Key{Kind: "k", ID: fmt.Sprint(i)}
				found.docs[k] = storage.Doc{Key: k, Version: rapid.Int64Range(1, 2).Draw(t, "version")}
			}
		}
		for i := range 2 {
			if rapid.Bool().Draw(t, "there") {
				found.counters[fmt.Sprint(i)] = rapid.OneOf(rapid.Int64Range(-4, 4), edgy()).Draw(t, "value")
			}
		}
		if rapid.Bool().Draw(t, "kind") { // all as the batches want it, if 0 or the ends will do
			for k, version := range checks {
				delete(found.docs, k)
				if version > 0 {
					found.docs[k] = storage.Doc{Key: k, Version: version}
				}
			}
			for _, d := range w.made {
				delete(found.docs, d.key)
			}
			for _, c := range w.counted {
				found.counters[c.name] = rapid.SampledFrom([]int64{c.low, c.high}).Draw(t, "end")
			}
		}
		g := judgeEach(found, nil, each)
		all := true
		for _, f := range g.refused {
			all = all && f == nil
		}
		holds := true
		for k, version := range checks {
			holds = holds && found.docs[k].Version == version
		}
		for _, d := range w.made {
			holds = holds && found.docs[d.key].Version == 0
		}
		for _, c := range w.counted {
			holds = holds && c.low <= found.counters[c.name] && found.counters[c.name] <= c.high
		}
		require.Equal(t, all, holds)
		if !all {
			return
		}
		held++
		want := g.writes()
		require.Equal(t, len(want.made), len(w.made))
		for i := range want.made {
			require.Equal(t, want.made[i].put, w.made[i].put)
		}
		require.Equal(t, want.moves, w.moves)
		require.Empty(t, append(want.changed, want.dropped...))
		require.Equal(t, len(want.counted), len(w.counted))
		for i, c := range want.counted {
			require.Equal(t, c.now-c.before, w.counted[i].now-w.counted[i].before)
			require.Equal(t, c.until, w.counted[i].until)
		}
	})
	require.NotZero(t, hoped)
	require.NotZero(t, held)
}

func TestHopeNeedsNoSumBeyondInt64(t *testing.T) {
	add := func(delta int64) []storage.Op {
		b := storage.Batch{Adds: []storage.Add{{Counter: "c", Delta: delta, Min: math.MinInt64, Max: math.MaxInt64}}}
		ops, err := b.Ops()
		require.NoError(t, err)
		return ops
	}
	for _, delta := range []int64{math.MaxInt64, math.MinInt64} {
		_, _, ok := hopeful([][]storage.Op{add(delta), add(delta)})
		require.False(t, ok)
	}
}

func TestCompoundLiterals(t *testing.T) {
	for value, want := range map[any]string{
		nil:              "NULL",
		int64(-7):        "-7",
		"plain \"text\"": `'plain "text"'`,
		"it's":           `'it''s'`,
		`a\'`:            "X'615c27'",
		"é":              "X'c3a9'",
		"\x00":           "X'00'",
		"":               "''",
	} {
		c := new(compound)
		_, err := c.exec(context.Background(), "DO ?", value)
		require.NoError(t, err)
		require.Equal(t, "DO "+want+"; ", string(c.text))
	}
	_, err := new(compound).exec(context.Background(), "DO ?", 1.5)
	require.Error(t, err)
}

// TestCompoundStatement holds the text of one.
func TestCompoundStatement(t *testing.T) {
	b := storage.Batch{
		Checks: []storage.Check{{Key: storage.Key{Kind: "offer", ID: "b"}, Version: 2}, {Key: storage.Key{Kind: "offer", ID: "a"}, Version: 2}, {Key: storage.Key{Kind: "pause", ID: "a"}}},
		Puts:   []storage.Put{{Key: storage.Key{Kind: "order", ID: "1"}, Body: []byte("{}"), Lists: []storage.Listing{{List: "l", Place: 5}}}},
		Adds:   []storage.Add{{Counter: "a", Delta: 1, Max: 9}, {Counter: "b", Delta: -1, Max: 9, Until: 7}, {Counter: "c", Delta: 2, Max: 9}},
	}
	ops, err := b.Ops()
	require.NoError(t, err)
	w, checks, ok := hopeful([][]storage.Op{ops})
	require.True(t, ok)
	statement, err := (&Store{tables: newTables("vouch_"), engine: mysql{}, steps: mysql{}}).compound(context.Background(), checks, w)
	require.NoError(t, err)
	require.Equal(t, "BEGIN NOT ATOMIC DECLARE held BIGINT; DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END; "+
		"SELECT COUNT(*) + COUNT(CASE WHEN (kind = 'pause' AND id IN ('a')) THEN 1 END) * 3 INTO held FROM vouch_docs FORCE INDEX (PRIMARY)"+
		" WHERE (kind = 'pause' AND id IN ('a')) OR (kind = 'offer' AND id IN ('a', 'b') AND version = 2); "+
		"IF held <> 2 THEN SIGNAL SQLSTATE '45000'; END IF; "+
		"START TRANSACTION; "+
		`INSERT INTO vouch_docs (kind, id, version, due, lists, body) VALUES ('order', '1', 1, NULL, '{"l":5}', '{}'); `+
		"INSERT INTO vouch_lists (kind, list, place, id) VALUES ('order', 'l', 5, '1'); "+
		"INSERT INTO vouch_counters (name, value, `until`, rev) VALUES ('a', 1, NULL, 1)"+
		" ON DUPLICATE KEY UPDATE value = CASE WHEN value BETWEEN -1 AND 8 THEN value + VALUES(value)"+
		" ELSE 9223372036854775807 + (rev + 1) END, `until` = VALUES(`until`), rev = rev + 1; "+
		"UPDATE vouch_counters SET value = value + -1, `until` = 7, rev = rev + 1 WHERE name = 'b' AND value BETWEEN 1 AND 10; "+
		"IF ROW_COUNT() <> 1 THEN SIGNAL SQLSTATE '45000'; END IF; "+
		"INSERT INTO vouch_counters (name, value, `until`, rev) VALUES ('c', 2, NULL, 1)"+
		" ON DUPLICATE KEY UPDATE value = CASE WHEN value BETWEEN -2 AND 7 THEN value + VALUES(value)"+
		" ELSE 9223372036854775807 + (rev + 1) END, `until` = VALUES(`until`), rev = rev + 1; "+
		"COMMIT; END", statement)
}
