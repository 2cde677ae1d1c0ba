// Package wronghandles does not compile, which a test requires of exactly the lines that are wrong.
package wronghandles

import (
	"database/sql"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jmoiron/sqlx"
	"github.com/uptrace/bun"
	"gorm.io/gorm"

	"github.com/vouch-go/vouch/storage/enginetest/internal/entshop"
	"github.com/vouch-go/vouch/storage/sqlstore"
)

func bind(store *sqlstore.Store, db *sql.DB, conn *sql.Conn, tx *sql.Tx) {
	store.Within(tx)
	store.Within(db)   // wrong
	store.Within(conn) // wrong
}

func bindLibraries(store *sqlstore.Store, x *sqlx.DB, b *bun.DB, c bun.Conn, e *entshop.Client, g *gorm.DB, entTx *entshop.Tx, sqlxTx *sqlx.Tx) {
	store.Within(entTx)
	store.Within(sqlxTx)
	store.Within(x)                    // wrong
	store.Within(b)                    // wrong
	store.Within(c)                    // wrong
	store.Within(e)                    // wrong
	store.Within(g)                    // wrong
	store.Within(g.Statement.ConnPool) // wrong
}

func bindPgx(store *sqlstore.Store, pool *pgxpool.Pool, conn *pgx.Conn, tx pgx.Tx) {
	sqlstore.WithinPgx(store, tx)
	sqlstore.WithinPgx(store, pool) // wrong
	sqlstore.WithinPgx(store, conn) // wrong
}
