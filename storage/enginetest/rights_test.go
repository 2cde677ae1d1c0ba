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
	address, err := url.Parse(PrivatePostgres(t).DSN) // the server of the tests may let nobody make roles
	require.NoError(t, err)
	admin := e.Open(t, address.String(), 1)
	as := func(role, rights string) string {
		for _, statement := range []string{"CREATE ROLE " + role + " LOGIN NOSUPERUSER", "GRANT " + rights + " ON SCHEMA shop TO " + role} {
			_, err := admin.Exec(statement)
			require.NoError(t, err)
		}
		its, query := *address, address.Query()
		query.Set("search_path", "shop")
		its.User, its.RawQuery = url.User(role), query.Encode()
		return its.String()
	}
	_, err = admin.Exec("CREATE SCHEMA shop")
	require.NoError(t, err)
	owner, app := as("owner", "USAGE, CREATE"), as("app", "USAGE")
	options := sqlstore.Options{Prefix: "shop_"}
	owned := e.Open(t, owner, 0)
	require.NoError(t, e.New(t, owned, options).Migrate(t.Context(), coupons))
	_, err = owned.Exec("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO app")
	require.NoError(t, err)

	store := e.Store(t, e.Open(t, app, 0), options) // finds nothing to migrate
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
