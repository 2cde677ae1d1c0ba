package sqlstore

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
)

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
	g, possible := assumeEach(newStanding(0, 0), [][]storage.Op{ops})
	require.True(t, possible)
	statement, err := (&Store{tables: newTables("vouch_"), engine: mysql{}, steps: mysql{}}).compound(context.Background(), g.writes())
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
