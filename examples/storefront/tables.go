package main

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"

	"github.com/vouch-go/vouch/storage/sqlstore"
)

// The shop's own tables, beside vouch's in the same database: so that an order and the
// coupons it redeems are written in one transaction. Instants are unix microseconds,
// money is minor units.
const tables = `
CREATE TABLE IF NOT EXISTS shop_settings (name VARCHAR(40) NOT NULL PRIMARY KEY, value VARCHAR(200) NOT NULL);
CREATE TABLE IF NOT EXISTS shop_customers (
	id VARCHAR(40) NOT NULL PRIMARY KEY,
	email VARCHAR(190) NOT NULL UNIQUE,
	name VARCHAR(80) NOT NULL,
	password VARCHAR(200) NOT NULL,
	staff INTEGER NOT NULL DEFAULT 0,
	joined BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS shop_sessions (
	id VARCHAR(64) NOT NULL PRIMARY KEY,
	customer VARCHAR(40) NOT NULL DEFAULT '',
	visitor VARCHAR(64) NOT NULL,
	cart VARCHAR(40) NOT NULL DEFAULT '',
	notice VARCHAR(500) NOT NULL DEFAULT '',
	expires BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS shop_carts (
	id VARCHAR(40) NOT NULL PRIMARY KEY,
	choice VARCHAR(2000) NOT NULL DEFAULT '{}');
CREATE TABLE IF NOT EXISTS shop_cart_lines (
	cart VARCHAR(40) NOT NULL,
	product VARCHAR(40) NOT NULL,
	quantity BIGINT NOT NULL,
	PRIMARY KEY (cart, product));
CREATE TABLE IF NOT EXISTS shop_orders (
	id VARCHAR(40) NOT NULL PRIMARY KEY,
	customer VARCHAR(40) NOT NULL,
	state VARCHAR(20) NOT NULL,
	subtotal BIGINT NOT NULL,
	discount BIGINT NOT NULL,
	shipping BIGINT NOT NULL,
	total BIGINT NOT NULL,
	created BIGINT NOT NULL,
	paid BIGINT NOT NULL DEFAULT 0)`

// createTables makes them where they are not there.
func (s *shop) createTables(ctx context.Context) error {
	for _, statement := range strings.Split(tables, ";") {
		if s.dialect == sqlstore.MySQL {
			statement += ` ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`
		}
		if _, err := s.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// q writes a statement's places as the engine wants them.
func (s *shop) q(statement string) string {
	if s.dialect != sqlstore.PostgreSQL {
		return statement
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(statement, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		statement = after
	}
}

// querier is the pool or a transaction.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// setting gives a setting, and keeps the value given where there is none.
func (s *shop) setting(ctx context.Context, name, value string) (string, error) {
	var kept string
	read := func() error {
		return s.db.QueryRowContext(ctx, s.q(`SELECT value FROM shop_settings WHERE name = ?`), name).Scan(&kept)
	}
	err := read()
	if !errors.Is(err, sql.ErrNoRows) {
		return kept, err
	}
	// Another process may have been faster: then its value is the one.
	_, failed := s.db.ExecContext(ctx, s.q(`INSERT INTO shop_settings (name, value) VALUES (?, ?)`), name, value)
	if err := read(); err != nil {
		return "", errors.Join(failed, err)
	}
	return kept, nil
}

// rows reads all rows of a query.
func rows[T any](ctx context.Context, db querier, scan func(*sql.Rows, *T) error, query string, args ...any) ([]T, error) {
	found, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var all []T
	for found.Next() {
		var one T
		if err := scan(found, &one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, found.Err()
}
