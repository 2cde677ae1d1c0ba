package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// report is what a replay tells at its end: a table, and the rules it went by.
type report struct {
	title  string
	rules  []string // what was decided or made up where the data says nothing
	rows   []row
	broken []string // checks that failed
}

type row struct{ what, figure, remark string }

// rule says what the data does not.
func (r *report) rule(format string, args ...any) {
	r.rules = append(r.rules, fmt.Sprintf(format, args...))
}

// section begins a group of rows.
func (r *report) section(title string) { r.rows = append(r.rows, row{what: title}) }

// line adds a row; the figure is a count, an amount or text.
func (r *report) line(what string, figure any, remark ...string) {
	text := fmt.Sprint(figure)
	if n, ok := figure.(int); ok {
		text = count(n)
	}
	r.rows = append(r.rows, row{"  " + what, text, strings.Join(remark, " ")})
}

// counts adds a row for each key, the most frequent first.
func counts[K ~string](r *report, n map[K]int) {
	keys := slices.SortedFunc(maps.Keys(n), func(a, b K) int { return cmp.Or(cmp.Compare(n[b], n[a]), cmp.Compare(a, b)) })
	for _, k := range keys {
		r.line(string(k), n[k])
	}
}

// check adds a row for a promise: what was found must be what was wanted.
func check[T comparable](r *report, what string, found, want T) {
	if found == want {
		r.line(what, any(found), "ok")
		return
	}
	r.line(what, any(found), fmt.Sprintf("WRONG: want %v", want))
	r.broken = append(r.broken, what)
}

func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "\n%s\n%s\n", r.title, strings.Repeat("=", len([]rune(r.title))))
	for _, rule := range r.rules {
		fmt.Fprintf(out, "* %s\n", wrap(rule, 100))
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	width := 0
	for _, row := range r.rows {
		width = max(width, len([]rune(row.what)))
	}
	for _, row := range r.rows {
		if row.figure == "" {
			table.Flush()
			fmt.Fprintf(out, "\n%s\n", row.what)
			continue
		}
		remark := row.remark
		if remark != "" {
			remark = "  " + remark
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", row.what+strings.Repeat(" ", width-len([]rune(row.what))), row.figure, remark)
	}
	table.Flush()
}

// count writes a number with its thousands apart: 18,082.
func count(n int) string { return message.NewPrinter(language.English).Sprint(n) }

// wrap breaks a text into lines of at most width characters, where words allow.
func wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		length := len([]rune(word))
		switch {
		case column == 0:
		case column+1+length > width:
			b.WriteString("\n  ")
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += length
	}
	return b.String()
}
