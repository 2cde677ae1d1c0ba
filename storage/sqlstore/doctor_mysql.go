package sqlstore

import (
	"strconv"
	"strings"
)

func (mysql) settingsOfConnections() bool { return false }

// settings come by SHOW, which gives a session's own where it has one, asks for no
// rights, and leaves out what a server does not have.
func (mysql) settings() []string {
	return []string{
		`SHOW VARIABLES WHERE Variable_name IN ('version', 'innodb_flush_log_at_trx_commit', 'innodb_doublewrite', 'log_bin', 'sync_binlog',
			'transaction_isolation', 'tx_isolation', 'autocommit', 'sql_mode', 'read_only', 'wsrep_on', 'group_replication_single_primary_mode',
			'max_allowed_packet')`,
		"SHOW STATUS WHERE Variable_name = 'wsrep_cluster_size'",
	}
}

func (mysql) diagnose(settings map[string]string) []Finding {
	const lost = "a power cut or a crash of the machine loses commits that the shop was told of: an order may be paid whose redemption is gone"
	const isolation = "set transaction_isolation = 'READ-COMMITTED' or 'REPEATABLE-READ'"
	rules := []rule{
		{
			"autocommit", []string{"ON", "1"}, Danger,
			"a read opens a transaction that nobody ends, and its connection goes on seeing what was there then", "set autocommit = ON for the server and the DSN",
		},
		{"read_only", []string{"OFF", "0"}, Danger, "nothing can be written, except by administrators", "connect to the primary"},
	}
	name := "transaction_isolation"
	if _, known := settings[name]; !known {
		name = "tx_isolation" // MariaDB before 11.1
	}
	if strings.EqualFold(settings[name], "SERIALIZABLE") {
		rules = append(rules, rule{name, nil, Note, "limits hold, but every read locks, and transactions must be done again more often", isolation})
	} else {
		rules = append(rules, rule{
			name, []string{"READ-COMMITTED", "REPEATABLE-READ"}, Danger, "what is decided may rest on what another has written and never commits", isolation,
		})
	}
	var findings []Finding
	if distributed := strings.Contains(settings["version"], "TiDB"); !distributed { // which has InnoDB's settings in name only
		findings = mysqlVersion(settings["version"])
		rules = append(rules,
			rule{"innodb_flush_log_at_trx_commit", []string{"1", "3"}, Danger, lost, "set innodb_flush_log_at_trx_commit = 1"},
			rule{
				"innodb_doublewrite", []string{"ON", "1", "DETECT_AND_RECOVER"}, Danger, "a power cut can leave half-written pages, and with them wrong counters",
				"set innodb_doublewrite = ON, unless the storage writes whole pages of 16 KB (ZFS, Aurora)",
			})
		if on := settings["log_bin"]; on == "ON" || on == "1" {
			rules = append(rules, rule{"sync_binlog", []string{"1"}, Danger, lost + "; replicas may keep what the primary has lost", "set sync_binlog = 1"})
		}
	}
	findings = append(findings, judge(settings, rules)...)
	findings = append(findings, severalWriters(settings)...)
	if mode, known := settings["sql_mode"]; known && !strings.Contains(mode, "STRICT_") && !strings.Contains(mode, "TRADITIONAL") {
		findings = append(findings, Finding{
			Caution, "sql_mode", "sql_mode has no STRICT_TRANS_TABLES", "a value that does not fit is changed silently and not refused",
			"set sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')",
		})
	}
	if size, err := strconv.ParseInt(settings["max_allowed_packet"], 10, 64); err == nil && size < 8<<20 {
		findings = append(findings, Finding{
			Caution, "max_allowed_packet", "max_allowed_packet is " + settings["max_allowed_packet"], "large documents are refused", "set max_allowed_packet = 16M",
		})
	}
	return findings
}

func mysqlVersion(version string) []Finding {
	if strings.Contains(version, "MariaDB") {
		return older("MariaDB", version, 10, 6)
	}
	return older("MySQL", version, 8, 0)
}

// severalWriters: clusters that certify transactions against each other when they
// commit. Galera loses updates so even when healthy (jepsen.io/analyses/mariadb-galera-cluster-12.1.2).
func severalWriters(settings map[string]string) []Finding {
	const do = "send all writes to one member, as a proxy with a single writer does"
	size, _ := strconv.Atoi(settings["wsrep_cluster_size"])
	switch {
	case settings["wsrep_on"] == "ON" && size > 1:
		return []Finding{{
			Danger, "wsrep_on", "this is a Galera cluster of " + settings["wsrep_cluster_size"] + " members",
			"with several writers, updates are lost even when it is healthy: a limit can be exceeded", do,
		}}
	case settings["group_replication_single_primary_mode"] == "OFF":
		return []Finding{{
			Danger, "group_replication_single_primary_mode", "group replication has several primaries",
			"transactions that were told to be done may be refused when they commit, and reads are old", do,
		}}
	}
	return nil
}

// clock in UTC: around a change of summer time, the session's own is ambiguous.
func (mysql) clock() string {
	return "SELECT TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '1970-01-01 00:00:00', UTC_TIMESTAMP(6))"
}

// tableFaults: other engines have no transactions.
func (mysql) tableFaults(t tables) string {
	return "SELECT 'engine', CONCAT('the table ', table_name, ' is kept by ', engine), 'nothing is rolled back, and limits do not hold'," +
		" CONCAT('ALTER TABLE ', table_name, ' ENGINE = InnoDB') FROM information_schema.tables WHERE table_schema = DATABASE()" +
		" AND table_name IN (" + text(t.docs) + ", " + text(t.lists) + ", " + text(t.counters) + ") AND engine <> 'InnoDB'"
}

func (mysql) indexes(t tables) string {
	return "SELECT table_name, GROUP_CONCAT(column_name ORDER BY seq_in_index), MAX(non_unique) = 0 FROM information_schema.statistics" +
		" WHERE table_schema = DATABASE() AND table_name IN (" + text(t.docs) + ", " + text(t.lists) + ", " + text(t.counters) + ")" +
		" GROUP BY table_name, index_name"
}

func (mysql) exists(o object) (string, []any) {
	return "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?", []any{o.name}
}
