package sqlstore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

func ExampleScript() {
	offers := storage.View{Name: "offers", Kind: "offer", Columns: []storage.Column{
		{Name: "offer_id", From: storage.FromID}, {Name: "paused", Path: []string{"paused"}, Type: storage.Boolean},
	}}
	script, err := sqlstore.Script(sqlstore.SQLite, "shop_", offers)
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(script, "\n") {
		if strings.HasPrefix(line, "CREATE") {
			fmt.Println(line)
		}
	}
	// Output:
	// CREATE TABLE IF NOT EXISTS shop_migrations (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT;
	// CREATE TABLE shop_docs (
	// CREATE INDEX shop_docs_due ON shop_docs (kind, due, id) WHERE due IS NOT NULL;
	// CREATE TABLE shop_lists (
	// CREATE TABLE shop_counters (
	// CREATE INDEX shop_counters_until ON shop_counters (until) WHERE until IS NOT NULL;
	// CREATE VIEW shop_offers AS SELECT id AS "offer_id", CAST(json_extract(body, '$."paused"') AS INTEGER) AS "paused" FROM shop_docs WHERE kind = 'offer';
}

func TestScript(t *testing.T) {
	for _, dialect := range dialects {
		script, err := sqlstore.Script(dialect, "shop_")
		require.NoError(t, err)
		require.NotContains(t, script, sqlstore.DefaultPrefix)
		require.NotContains(t, script, "+goose")
		for _, m := range migrations(t, dialect) {
			require.Contains(t, script, "'"+m.name+"'", "its record")
		}
	}
	_, err := sqlstore.Script("oracle", "Vouch-")
	require.ErrorIs(t, err, storage.ErrInvalid)
	for _, fault := range []string{`dialect "oracle"`, `prefix "Vouch-"`} {
		require.ErrorContains(t, err, fault)
	}
	_, err = sqlstore.Script(sqlstore.SQLite, "", storage.View{Name: "docs"})
	require.ErrorIs(t, err, storage.ErrInvalid)
}
