package sqlstore

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDiagnose judges settings that a test cannot make: of clusters, of old
// versions, of other products. What real servers say is in enginetest.
func TestDiagnose(t *testing.T) {
	soundPostgres := map[string]string{
		"server_version": "12.1", "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "standby": "false",
		"server_encoding": "UTF8", "default_transaction_isolation": "read committed", "default_transaction_read_only": "off",
	}
	soundMySQL := map[string]string{
		"version": "8.0.36-0ubuntu0.22.04.1", "innodb_flush_log_at_trx_commit": "1", "innodb_doublewrite": "ON", "log_bin": "ON",
		"sync_binlog": "1", "transaction_isolation": "REPEATABLE-READ", "autocommit": "ON", "sql_mode": "STRICT_TRANS_TABLES",
		"read_only": "OFF", "max_allowed_packet": "67108864",
	}
	soundSQLite := map[string]string{
		"version": "3.37.0", "synchronous": "FULL", "journal_mode": "wal", "busy_timeout": "1", "locking_mode": "normal",
		"query_only": "0", "read_uncommitted": "0", "encoding": "UTF-8", "file": "/shop.db",
	}
	type change map[string]string
	for _, c := range []struct {
		engine engine
		sound  map[string]string
		change change
		found  string
	}{
		{postgres{}, soundPostgres, nil, ""},
		{postgres{}, soundPostgres, change{"server_version": "18beta1"}, ""},
		{postgres{}, soundPostgres, change{"server_version": "15.20 (Debian 15.20-0+deb12u1)"}, ""},
		{postgres{}, soundPostgres, change{"server_version": "11.22"}, "danger version"},
		{postgres{}, soundPostgres, change{"server_version": "9.6.24"}, "danger version"},
		{postgres{}, soundPostgres, change{"synchronous_commit": "remote_apply"}, ""},
		{postgres{}, soundPostgres, change{"standby": "true"}, "danger standby"},
		{postgres{}, soundPostgres, change{"server_encoding": "LATIN1"}, "danger server_encoding"},
		{mysql{}, soundMySQL, nil, ""},
		{mysql{}, soundMySQL, change{"version": "5.7.44-log"}, "danger version"},
		{mysql{}, soundMySQL, change{"version": "9.7.0"}, ""},
		{mysql{}, soundMySQL, change{"version": "10.5.29-MariaDB-0+deb11u1"}, "danger version"},
		{mysql{}, soundMySQL, change{"version": "11.8.2-MariaDB"}, ""},
		{mysql{}, soundMySQL, change{"innodb_flush_log_at_trx_commit": "0"}, "danger innodb_flush_log_at_trx_commit"},
		{mysql{}, soundMySQL, change{"innodb_doublewrite": "DETECT_ONLY"}, "danger innodb_doublewrite"},
		{mysql{}, soundMySQL, change{"innodb_doublewrite": "DETECT_AND_RECOVER"}, ""},
		{mysql{}, soundMySQL, change{"sync_binlog": "1000"}, "danger sync_binlog"},
		{mysql{}, soundMySQL, change{"sync_binlog": "0", "log_bin": "OFF"}, ""},
		{mysql{}, soundMySQL, change{"transaction_isolation": "READ-UNCOMMITTED"}, "danger transaction_isolation"},
		{mysql{}, soundMySQL, change{"read_only": "ON"}, "danger read_only"},
		{mysql{}, soundMySQL, change{"wsrep_on": "ON", "wsrep_cluster_size": "3"}, "danger wsrep_on"},
		{mysql{}, soundMySQL, change{"wsrep_on": "ON", "wsrep_cluster_size": "1"}, ""},
		{mysql{}, soundMySQL, change{"wsrep_on": "OFF", "wsrep_cluster_size": "0"}, ""},
		{mysql{}, soundMySQL, change{"group_replication_single_primary_mode": "OFF"}, "danger group_replication_single_primary_mode"},
		{mysql{}, soundMySQL, change{"group_replication_single_primary_mode": "ON"}, ""},
		{mysql{}, soundMySQL, change{"version": "8.0.11-TiDB-v8.4.0", "sync_binlog": "0", "innodb_doublewrite": "OFF"}, ""},
		{sqlite{}, soundSQLite, nil, ""},
		{sqlite{}, soundSQLite, change{"version": "3.36.0"}, "danger version"},
		{sqlite{}, soundSQLite, change{"version": "4.0.0"}, ""},
	} {
		settings := maps.Clone(c.sound)
		maps.Copy(settings, c.change)
		found := ""
		for _, f := range c.engine.diagnose(settings) {
			found += f.Severity.String() + " " + f.Name
		}
		require.Equal(t, c.found, found, "%T %v", c.engine, c.change)
	}
}
