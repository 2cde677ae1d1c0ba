package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Severity says how much a [Finding] endangers.
type Severity int

// The severities, the gravest last.
const (
	Note    Severity = iota // every promise holds; something is slower or more awkward than it need be
	Caution                 // a promise holds only while nothing else goes wrong
	Danger                  // a promise does not hold, or nothing works
)

// String is the severity in lower case.
func (s Severity) String() string {
	switch s {
	case Note:
		return "note"
	case Caution:
		return "caution"
	case Danger:
		return "danger"
	}
	return fmt.Sprintf("severity %d", int(s))
}

// Finding is something in the database or its settings that endangers what the
// library promises.
type Finding struct {
	Severity Severity
	Name     string // what it is about, for whoever filters: a setting of the engine's, or "clock", "version", "migrations", "index", …
	Found    string // what was found
	Means    string // what can come of it
	Do       string // what to do
}

// String is the finding in one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s; %s", f.Severity, f.Found, f.Means, f.Do)
}

// MaxSkew is how far the database's clock may be from the caller's before
// [Store.Doctor] says so.
const MaxSkew = 2 * time.Second

// Doctor reads what in the database endangers the promises: settings that give up
// durability, an isolation that reads what is never committed, a clock more than
// [MaxSkew] from the caller's (now), several writers of a Galera cluster,
// versions that are too old, migrations or indexes that are missing. It finds nothing in
// a sound database, and gives the gravest first.
//
// Run it at start and log what it finds, or in a check of the shop's own. It
// reads settings and the catalogue and writes nothing. What it sees is what this
// pool's connections are given: the settings of a session and not those of the
// server where both exist. What a database cannot know, such as a disk that says it
// has written what it has not, it does not find.
//
// It fails when the database cannot be read.
func (s *Store) Doctor(ctx context.Context, now time.Time) ([]Finding, error) {
	if s.tx != nil {
		return nil, fmt.Errorf("%w: examine the database with the store that New made, outside any transaction", ErrHandle)
	}
	handle, err := s.db.Conn(ctx)
	if err != nil {
		return nil, s.fail(ctx, "cannot connect", err)
	}
	defer handle.Close()
	exam := examination{s, s.on(handle)}
	settings, err := exam.settings(ctx)
	if err != nil {
		return nil, s.fail(ctx, "cannot read the settings", err)
	}
	findings := s.engine.diagnose(settings)
	if findings, err = exam.clock(ctx, findings, now); err != nil {
		return nil, s.fail(ctx, "cannot read the clock", err)
	}
	if findings, err = exam.schema(ctx, findings); err != nil {
		return nil, err
	}
	if s.engine.settingsOfConnections() && s.db.Stats().MaxOpenConnections != 1 {
		other, err := s.db.Conn(ctx)
		if err != nil {
			return nil, s.fail(ctx, "cannot connect again", err)
		}
		defer other.Close()
		others, err := examination{s, s.on(other)}.settings(ctx)
		if err != nil {
			return nil, s.fail(ctx, "cannot read the settings", err)
		}
		findings = append(findings, unlike(settings, others)...)
	}
	slices.SortStableFunc(findings, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	return findings, nil
}

// rule judges one setting of an engine's. A setting that the engine does not have
// breaks no rule.
type rule struct {
	setting   string
	sound     []string
	severity  Severity
	means, do string
}

// judge gives a finding for each setting whose value is not among the sound ones.
func judge(settings map[string]string, rules []rule) []Finding {
	var findings []Finding
	for _, r := range rules {
		value, known := settings[r.setting]
		if known && !slices.ContainsFunc(r.sound, func(sound string) bool { return strings.EqualFold(sound, value) }) {
			findings = append(findings, Finding{r.severity, r.setting, fmt.Sprintf("%s is %s", r.setting, cmp.Or(value, "empty")), r.means, r.do})
		}
	}
	return findings
}

// older judges a version, whose numbers are separated by dots.
func older(engine, version string, oldest ...int) []Finding {
	for i, number := range strings.SplitN(version, ".", len(oldest)+1) {
		if i == len(oldest) {
			break
		}
		digits, _, _ := strings.Cut(number, "-")
		n, err := strconv.Atoi(digits)
		if err != nil || n > oldest[i] {
			break
		}
		if n < oldest[i] {
			least := strings.Trim(strings.ReplaceAll(fmt.Sprint(oldest), " ", "."), "[]")
			return []Finding{{
				Danger, "version", engine + " is " + version, "statements of the store's are refused or do something else there",
				"upgrade it to " + least + " or newer",
			}}
		}
	}
	return nil
}

// unlike compares the settings of two connections of a pool.
func unlike(one, other map[string]string) []Finding {
	var findings []Finding
	for _, setting := range slices.Sorted(maps.Keys(one)) {
		if one[setting] != other[setting] {
			findings = append(findings, Finding{
				Caution, setting, fmt.Sprintf("%s is %s on one connection of the pool and %s on another", setting, one[setting], other[setting]),
				"a statement that sets it reaches one connection only", "set it in the DSN (SQLiteDSN is a good one)",
			})
		}
	}
	return findings
}

// examination reads what Doctor judges, on one connection.
type examination struct {
	*Store
	on conn
}

func (e examination) settings(ctx context.Context) (map[string]string, error) {
	settings := make(map[string]string)
	for _, statement := range e.engine.settings() {
		err := e.on.query(ctx, statement, nil, func(scan scan) error {
			var name, value string
			err := scan(&name, &value)
			settings[name] = value
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return settings, nil
}

// clock leaves out of the difference what the question itself may have taken.
func (e examination) clock(ctx context.Context, findings []Finding, now time.Time) ([]Finding, error) {
	var micros int64
	begun := time.Now()
	err := e.on.query(ctx, e.engine.clock(), nil, func(scan scan) error { return scan(&micros) })
	took := time.Since(begun)
	if err != nil {
		return nil, err
	}
	ahead := time.UnixMicro(micros).Sub(now)
	behind := -ahead
	ahead -= took
	if max(ahead, behind) <= MaxSkew {
		return findings, nil
	}
	found := fmt.Sprintf("the database's clock is %s ahead of the caller's", ahead.Round(time.Millisecond))
	if behind > 0 {
		found = fmt.Sprintf("the database's clock is %s behind the caller's", behind.Round(time.Millisecond))
	}
	return append(findings, Finding{
		Caution, "clock", found,
		"instants come from the caller: with clocks apart, one process ends holds and offers that are still good for another",
		"let NTP set both clocks, and pass time.Now() to Doctor",
	}), nil
}

// schema compares what the migrations make with what is there.
func (e examination) schema(ctx context.Context, findings []Finding) ([]Finding, error) {
	state, err := e.migrated(ctx)
	if err != nil || state != nil {
		return append(findings, state...), err
	}
	if statement := e.engine.tableFaults(e.tables); statement != "" {
		err := e.on.query(ctx, statement, nil, func(scan scan) error {
			f := Finding{Severity: Danger}
			err := scan(&f.Name, &f.Found, &f.Means, &f.Do)
			findings = append(findings, f)
			return err
		})
		if err != nil {
			return nil, e.fail(ctx, "cannot read the tables", err)
		}
	}
	indexes, err := e.missingIndexes(ctx)
	return append(findings, indexes...), err
}

// migrated says which migrations are missing; nothing when none is.
func (e examination) migrated(ctx context.Context) ([]Finding, error) {
	shipped, err := shipped(e.engine)
	if err != nil {
		return nil, err
	}
	applied := make(map[int]string)
	recorded, err := e.has(ctx, e.on, object{"TABLE", e.tables.migrations})
	if err == nil && recorded {
		applied, err = e.applied(ctx, e.on)
	}
	if err != nil {
		return nil, err
	}
	missing, err := pending(shipped, applied)
	switch {
	case errors.Is(err, ErrNewerSchema):
		return []Finding{{Caution, "migrations", err.Error(), "what a newer release keeps may be more than this one can read", "upgrade this program"}}, nil
	case errors.Is(err, ErrChangedMigration):
		return []Finding{{Danger, "migrations", err.Error(), "the tables may not be what this release expects", "restore the file or the table of migrations"}}, nil
	case err != nil:
		return nil, err
	}
	var findings []Finding
	for _, m := range missing {
		done, err := e.made(ctx, e.on, m)
		if err != nil {
			return nil, err
		}
		if !done { // or another tool has applied it
			findings = append(findings, Finding{
				Danger, "migrations", "the migration " + m.name + " is missing", "calls fail, or do what an older release did", "call Migrate at start, and check the prefix",
			})
		}
	}
	return findings, nil
}

// missingIndexes compares by columns: whoever made the tables may have chosen the
// names.
func (e examination) missingIndexes(ctx context.Context) ([]Finding, error) {
	type index struct {
		table, columns string
		unique         bool
	}
	found := make(map[index]bool)
	err := e.on.query(ctx, e.engine.indexes(e.tables), nil, func(scan scan) error {
		var i index
		err := scan(&i.table, &i.columns, &i.unique)
		found[i] = true
		return err
	})
	if err != nil {
		return nil, e.fail(ctx, "cannot read the indexes", err)
	}
	var findings []Finding
	for _, want := range []index{
		{e.tables.docs, "kind,id", true},
		{e.tables.docs, "kind,due,id", false},
		{e.tables.lists, "kind,list,place,id", true},
		{e.tables.counters, "name", true},
		{e.tables.counters, "until", false},
	} {
		switch {
		case found[want]:
		case want.unique:
			findings = append(findings, Finding{
				Danger, "index", fmt.Sprintf("%s has no valid unique index on (%s)", want.table, want.columns),
				"what may be there once only can be there twice", "remove what is there twice and create it, as in Migrations",
			})
		default:
			findings = append(findings, Finding{
				Note, "index", fmt.Sprintf("%s has no valid index on (%s)", want.table, want.columns),
				"sweeps and Prune read the whole table", "create it, as in Migrations",
			})
		}
	}
	return findings, nil
}
