package enginetest

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

// TestPostgresRights: who migrates owns the schema and is no superuser; who works with
// the tables may read and write rows, and nothing else.
func TestPostgresRights(t *testing.T) {
	e := usual()[1]
	dsn := e.DSN(t)
	address, err := url.Parse(dsn)
	require.NoError(t, err)
	schema := address.Query().Get("search_path")
	admin := e.Open(t, dsn, 1)
	as := func(role, rights string) string {
		t.Cleanup(func() {
			for _, statement := range []string{"DROP OWNED BY ", "DROP ROLE "} {
				_, err := e.Open(t, dsn, 1).Exec(statement + role)
				require.NoError(t, err)
			}
		})
		for _, statement := range []string{fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'secret' NOSUPERUSER", role), fmt.Sprintf("GRANT %s ON SCHEMA %s TO %s", rights, schema, role)} {
			_, err := admin.Exec(statement)
			require.NoError(t, err)
		}
		its := *address
		its.User = url.UserPassword(role, "secret")
		return its.String()
	}
	owner, app := schema+"_o", schema+"_a"
	ownerDSN, appDSN := as(owner, "USAGE, CREATE"), as(app, "USAGE")
	options := sqlstore.Options{Prefix: "shop_"}
	owned := e.Open(t, ownerDSN, 0)
	require.NoError(t, e.New(t, owned, options).Migrate(t.Context(), coupons))
	_, err = owned.Exec(fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO %s", schema, app))
	require.NoError(t, err)

	store := e.Store(t, e.Open(t, appDSN, 0), options) // finds nothing to migrate
	batches := make([]storage.Batch, 40)
	keys := make([]storage.Key, len(batches))
	for i := range batches {
		keys[i] = storage.Key{Kind: "task", ID: fmt.Sprint(i)}
		batches[i] = storage.Batch{Puts: []storage.Put{{Key: keys[i], Body: []byte(`{}`)}}, Adds: []storage.Add{{Counter: "made", Delta: 1, Max: 100}}}
	}
	for _, err := range store.ApplyEach(t.Context(), batches) {
		require.NoError(t, err)
	}
	require.NoError(t, store.Apply(t.Context(), claim("1")))
	docs, counted, err := store.Get(t.Context(), keys, "made")
	require.NoError(t, err)
	require.Len(t, docs, len(keys))
	require.EqualValues(t, len(keys), counted["made"])
}
