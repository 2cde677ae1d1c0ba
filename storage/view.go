package storage

import (
	"fmt"
	"regexp"
	"slices"
)

// View declares a read-only view over the documents of one kind, as data. A SQL
// store renders it under its own table prefix (the view "coupons" becomes
// vouch_coupons), so that a shop can join and report; other stores ignore it.
type View struct {
	Name    string // what follows the table prefix: [a-z][a-z0-9_]*, at most 24 bytes
	Kind    string
	Columns []Column
}

// Column is one column of a view: a member of the body, or what the store itself
// keeps of a document.
type Column struct {
	Name string   // [a-z][a-z0-9_]*, at most 30 bytes
	From Source   // default: the body
	Path []string // the member's path in the body, as in {"terms", "max"}; names are [a-z0-9_]+
	Type ColumnType
}

// Source says where a column's value comes from.
type Source int

// The sources of a column.
const (
	FromBody    Source = iota // the member at Path; NULL when it is absent
	FromID                    // the document's id
	FromVersion               // the document's version
	FromDue                   // the document's due instant, NULL when never
)

// ColumnType says how a value is shown.
type ColumnType int

// The types of a column.
const (
	Text    ColumnType = iota
	Integer            // int64: minor units, counts, unix microseconds
	Boolean
	Instant // int64 unix microseconds, shown as the engine's UTC timestamp; 0 as NULL
)

var (
	viewName   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,23}$`)
	columnName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,29}$`)
	memberName = regexp.MustCompile(`^[a-z0-9_]{1,60}$`)
)

// Validate checks the declaration; it fails with ErrInvalid and every fault.
func (v View) Validate() error {
	var faults faults
	if !viewName.MatchString(v.Name) {
		faults.add("name %q does not match %s", v.Name, viewName)
	}
	faults.key(Key{Kind: v.Kind})
	if len(v.Columns) == 0 {
		faults.add("no columns")
	}
	names := make([]string, 0, len(v.Columns))
	for _, c := range v.Columns {
		if !columnName.MatchString(c.Name) {
			faults.add("column %q does not match %s", c.Name, columnName)
		}
		if slices.Contains(names, c.Name) {
			faults.add("column %q occurs twice", c.Name)
		}
		names = append(names, c.Name)
		if (c.From == FromBody) != (len(c.Path) > 0) {
			faults.add("column %q: a path is for a member of the body, and only for that", c.Name)
		}
		for _, member := range c.Path {
			if !memberName.MatchString(member) {
				faults.add("column %q: member %q does not match %s", c.Name, member, memberName)
			}
		}
	}
	return faults.err(fmt.Sprintf("view %q", v.Name))
}

// Prefixed is the same view over the documents of one tenant of [Prefixed],
// under another name.
func (v View) Prefixed(prefix, name string) View {
	v.Kind, v.Name = prefix+v.Kind, name
	return v
}
