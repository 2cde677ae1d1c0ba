package sqlstore

// settingsOfConnections: each connection of the pool has its own, from the DSN or
// from a statement that reached it.
func (sqlite) settingsOfConnections() bool { return true }

func (sqlite) settings() []string {
	return []string{
		"SELECT 'version', sqlite_version()",
		"SELECT 'synchronous', CASE synchronous WHEN 0 THEN 'OFF' WHEN 1 THEN 'NORMAL' WHEN 2 THEN 'FULL' ELSE 'EXTRA' END FROM pragma_synchronous",
		"SELECT 'journal_mode', journal_mode FROM pragma_journal_mode",
		"SELECT 'busy_timeout', timeout FROM pragma_busy_timeout",
		"SELECT 'locking_mode', locking_mode FROM pragma_locking_mode",
		"SELECT 'query_only', query_only FROM pragma_query_only",
		"SELECT 'read_uncommitted', read_uncommitted FROM pragma_read_uncommitted",
		"SELECT 'encoding', encoding FROM pragma_encoding",
		"SELECT 'file', file FROM pragma_database_list WHERE name = 'main'",
	}
}

func (sqlite) diagnose(settings map[string]string) []Finding {
	findings := older("SQLite", settings["version"], 3, 37)
	file := settings["file"] != ""
	if !file {
		findings = append(findings, Finding{
			Danger, "file", "the database is in memory", "it is gone with the process, and another connection of the pool has another", "use a file",
		})
	}
	if settings["busy_timeout"] == "0" {
		findings = append(findings, Finding{
			Caution, "busy_timeout", "busy_timeout is 0", "a second writer is refused at once, and must try again by itself",
			"put _pragma=busy_timeout(5000) into the DSN",
		})
	}
	rules := []rule{
		{
			"locking_mode", []string{"normal"}, Caution, "no other connection can read or write", "leave out locking_mode = EXCLUSIVE",
		},
		{"query_only", []string{"0"}, Danger, "nothing can be written", "leave out query_only"},
		{
			"read_uncommitted", []string{"0"}, Danger, "with a shared cache, what is decided may rest on what another has written and never commits",
			"leave out read_uncommitted",
		},
		{
			"encoding", []string{"UTF-8"}, Danger, "keys come in another order than that of their bytes", "begin a new file: it cannot be changed",
		},
	}
	if file {
		rules = append(rules, durability(settings)...)
	}
	return append(findings, judge(settings, rules)...)
}

// durability: see sqlite.org/pragma.html#pragma_synchronous. In NORMAL only
// the write-ahead log keeps the file whole, at the price of the last commits.
func durability(settings map[string]string) []rule {
	const do = "put _pragma=synchronous(FULL) into the DSN"
	synchronous := rule{"synchronous", []string{"FULL", "EXTRA"}, Danger, "a power cut can destroy the file", do}
	if settings["synchronous"] == "NORMAL" {
		synchronous.severity, synchronous.means = Caution, "a power cut loses commits that the shop was told of"
	}
	journal := rule{
		"journal_mode", []string{"wal"}, Note, "readers and writers wait for one another", "put _pragma=journal_mode(WAL) into the DSN",
	}
	if mode := settings["journal_mode"]; mode == "off" || mode == "memory" {
		journal.severity, journal.means = Danger, "a crash while it writes can destroy the file"
	}
	return []rule{synchronous, journal}
}

func (sqlite) clock() string {
	return "SELECT CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000"
}

func (sqlite) tableFaults(tables) string { return "" }

func (sqlite) indexes(t tables) string {
	return `SELECT m.name, (SELECT group_concat(name) FROM pragma_index_info(i.name)), i."unique"
		FROM sqlite_schema m JOIN pragma_index_list(m.name) i
		WHERE m.type = 'table' AND m.name IN (` + text(t.docs) + ", " + text(t.lists) + ", " + text(t.counters) + ")"
}

func (sqlite) exists(o object) (string, []any) {
	return "SELECT count(*) FROM sqlite_schema WHERE name = ?", []any{o.name}
}
