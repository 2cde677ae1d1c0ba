package enginetest

import (
	"cmp"
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"os"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql" // the driver "mysql"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/storage/sqlstore"
)

// mysql is the server that VOUCH_MYSQL names by its DSN, by default one on this
// machine whose root has no password.
func mysql(name string, settings func(*driver.Config)) Engine {
	return mysqlAt(cmp.Or(os.Getenv("VOUCH_MYSQL"), "root@tcp(127.0.0.1:3306)/"), "VOUCH_MYSQL", name, settings)
}

// tidb is the server that VOUCH_TIDB names by its DSN: TiDB, which speaks MySQL's
// dialect on any number of machines. By default there is none.
func tidb() []Engine {
	server := os.Getenv("VOUCH_TIDB")
	if server == "" {
		return nil
	}
	return []Engine{mysqlAt(server, "VOUCH_TIDB", "tidb", func(*driver.Config) {})}
}

// mysqlAt is a server that a variable of the environment names. Each DSN is a
// database of its own, with these settings of the driver.
func mysqlAt(server, env, name string, settings func(*driver.Config)) Engine {
	return Engine{
		Name: name, Driver: "mysql", Dialect: sqlstore.MySQL,
		DSN: func(t testing.TB) string {
			database := unique()
			onServer(t, "mysql", server, env, "CREATE DATABASE "+database,
				"SET lock_wait_timeout = 10", "DROP DATABASE "+database) // so that a failed test's transaction stops nothing
			config, err := driver.ParseDSN(server)
			require.NoError(t, err)
			config.DBName = database
			settings(config)
			return config.FormatDSN()
		},
	}
}

// asMySQL is a server of MariaDB's that knows no more than MySQL does.
func asMySQL() Engine {
	e := mysql("mariadb-as-mysql", func(*driver.Config) {})
	e.Driver = asMySQLDriver
	return e
}

// compounds says that the store sends compound statements.
func (e Engine) compounds(t testing.TB) bool {
	if e.Driver != "mysql" {
		return false
	}
	version := ""
	require.NoError(t, e.Open(t, e.DSN(t), 1).QueryRow("SELECT VERSION()").Scan(&version))
	return strings.Contains(version, "MariaDB")
}

const asMySQLDriver = "mysql-without-compound-statements"

func init() { sql.Register(asMySQLDriver, withoutCompounds{&driver.MySQLDriver{}}) }

type withoutCompounds struct{ sqldriver.Driver }

func (d withoutCompounds) Open(dsn string) (sqldriver.Conn, error) {
	conn, err := d.Driver.Open(dsn)
	if err != nil {
		return nil, err
	}
	return connWithoutCompounds{conn.(mysqlConn)}, nil
}

// mysqlConn is what a connection of the driver can do.
type mysqlConn interface {
	sqldriver.Conn
	sqldriver.ConnBeginTx
	sqldriver.ConnPrepareContext
	sqldriver.ExecerContext
	sqldriver.QueryerContext
	sqldriver.NamedValueChecker
	sqldriver.Pinger
	sqldriver.SessionResetter
	sqldriver.Validator
}

type connWithoutCompounds struct{ mysqlConn }

func (c connWithoutCompounds) ExecContext(ctx context.Context, statement string, args []sqldriver.NamedValue) (sqldriver.Result, error) {
	if strings.HasPrefix(statement, "BEGIN NOT ATOMIC ") {
		return nil, &driver.MySQLError{Number: 1064, SQLState: [5]byte([]byte("42000")), Message: "You have an error in your SQL syntax"}
	}
	return c.mysqlConn.ExecContext(ctx, statement, args)
}
