// Package wronghandles does not compile, which a test requires.
package wronghandles

import (
	"database/sql"

	"github.com/vouch-go/vouch/storage/sqlstore"
)

func bind(store *sqlstore.Store, db *sql.DB, conn *sql.Conn, tx *sql.Tx) {
	store.Within(tx)
	store.Within(db)
	store.Within(conn)
}
