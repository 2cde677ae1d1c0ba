package sqlstore

import "strings"

func (postgres) settingsOfConnections() bool { return false }

func (postgres) settings() []string {
	return []string{
		`SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit',
			'default_transaction_isolation', 'default_transaction_read_only', 'server_version', 'server_encoding')`,
		"SELECT 'standby', pg_is_in_recovery()::text",
	}
}

func (postgres) diagnose(settings map[string]string) []Finding {
	version, _, _ := strings.Cut(settings["server_version"], " ") // "15.20 (Debian …)"
	return append(older("PostgreSQL", version, 12), judge(settings, []rule{
		{
			"fsync", []string{"on"}, Danger,
			"a power cut or a crash of the machine can destroy the database, with every limit and balance in it", "set fsync = on and restart",
		},
		{
			"full_page_writes", []string{"on"}, Danger,
			"a power cut can leave half-written pages, and with them wrong counters", "set full_page_writes = on, unless the storage writes whole pages of 8 KB (ZFS, Aurora)",
		},
		{
			"synchronous_commit", []string{"on", "local", "remote_write", "remote_apply"}, Danger,
			"a crash of the server loses commits that the shop was told of: an order may be paid whose redemption is gone",
			"set synchronous_commit = on for this database, role and DSN",
		},
		{
			"default_transaction_read_only", []string{"off"}, Danger,
			"nothing can be written", "set default_transaction_read_only = off",
		},
		{
			"standby", []string{"false"}, Danger,
			"a standby takes no writes, and what it shows may be old", "connect to the primary: target_session_attrs=read-write",
		},
		{
			"server_encoding", []string{"UTF8"}, Danger,
			"it cannot keep all keys and bodies", "create the database with ENCODING 'UTF8' TEMPLATE template0",
		},
		{
			"default_transaction_isolation", []string{"read committed"}, Note,
			"limits hold, but InTx and the shop's own transactions must be done again more often", "leave it at read committed",
		},
	})...)
}

func (postgres) clock() string {
	return "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
}

// tableFaults: a crash empties unlogged tables, and keys in another collation than
// "C" come in another order than the library takes them for.
func (postgres) tableFaults(t tables) string {
	ours := "c.relnamespace = current_schema()::regnamespace AND c.relname IN (" +
		text(t.docs) + ", " + text(t.lists) + ", " + text(t.counters) + ")"
	return `SELECT 'unlogged', 'the table ' || c.relname || ' is UNLOGGED', 'a crash of the server empties it',
			'ALTER TABLE ' || c.relname || ' SET LOGGED' FROM pg_class c WHERE ` + ours + ` AND c.relpersistence <> 'p'
		UNION ALL SELECT 'collation', c.relname || '.' || a.attname || ' is not COLLATE "C"', 'lists come in the wrong order, and pages miss documents',
			'ALTER TABLE ' || c.relname || ' ALTER COLUMN ' || a.attname || ' TYPE text COLLATE "C"'
			FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_collation l ON l.oid = a.attcollation
			WHERE ` + ours + ` AND a.attname IN ('kind', 'id', 'list', 'name') AND l.collname <> 'C'`
}

func (postgres) indexes(t tables) string {
	return `SELECT c.relname, array_to_string(ARRAY(SELECT a.attname FROM unnest(i.indkey) WITH ORDINALITY k(n, o)
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n ORDER BY k.o), ','), i.indisunique
		FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
		WHERE i.indisvalid AND c.relnamespace = current_schema()::regnamespace
			AND c.relname IN (` + text(t.docs) + ", " + text(t.lists) + ", " + text(t.counters) + ")"
}

func (postgres) exists(o object) (string, []any) {
	if o.kind == "FUNCTION" {
		return "SELECT count(*) FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND proname = ?", []any{o.name}
	}
	return "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = ?", []any{o.name}
}
