package enginetest

import (
	"cmp"
	"os"
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
