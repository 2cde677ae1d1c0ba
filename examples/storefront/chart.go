package main

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"

	"github.com/vouch-go/vouch/ledger"
)

// bar is one value of a chart.
type bar struct {
	Name string
	N    int64
}

// barChart draws values as bars below each other. Colours come from the style sheet, so
// that they follow the page into the dark.
func barChart(title string, bars []bar) template.HTML {
	const height, left, width = 34, 205, 250 // left: room for names in the letters that phones are shown
	most := int64(1)
	for _, b := range bars {
		most = max(most, b.N)
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg class="chart" viewBox="0 0 520 %d" role="img" aria-label="%s"><title>%s</title>`, len(bars)*height+8, escape(title), escape(title))
	for i, b := range bars {
		y := i*height + 6
		fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="end">%s</text>`, left-10, y+17, escape(b.Name))
		fmt.Fprintf(&s, `<rect class="bar" x="%d" y="%d" width="%d" height="%d" rx="4"/>`, left, y, max(2, b.N*width/most), height-10)
		fmt.Fprintf(&s, `<text x="%d" y="%d">%s</text>`, int64(left)+max(2, b.N*width/most)+8, y+17, strconv.FormatInt(b.N, 10))
	}
	s.WriteString(`</svg>`)
	return template.HTML(s.String()) // every text in it is escaped
}

// columnChart draws amounts as columns beside each other, the highest and the ends of
// the axis named.
func columnChart(title string, columns []bar) template.HTML {
	const height, bottom, step = 140, 165, 17
	most, highest := int64(1), 0
	for i, c := range columns {
		if c.N > most {
			most, highest = c.N, i
		}
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg class="chart" viewBox="0 0 520 190" role="img" aria-label="%s"><title>%s</title>`, escape(title), escape(title))
	fmt.Fprintf(&s, `<line class="axis" x1="4" x2="516" y1="%d" y2="%d"/>`, bottom, bottom)
	for i, c := range columns {
		h := c.N * height / most
		if c.N > 0 {
			h = max(h, 2)
		}
		fmt.Fprintf(&s, `<rect class="bar" x="%d" y="%d" width="%d" height="%d" rx="2"><title>%s: %s</title></rect>`,
			5+i*step, bottom-h, step-4, h, escape(c.Name), escape(shown(ledger.Minor(c.N, eur))))
	}
	if most > 1 {
		fmt.Fprintf(&s, `<text x="%d" y="18" text-anchor="middle">%s</text>`, min(max(5+highest*step+6, 45), 475), escape(shown(ledger.Minor(most, eur))))
	}
	if len(columns) > 0 {
		fmt.Fprintf(&s, `<text x="4" y="184">%s</text><text x="516" y="184" text-anchor="end">%s</text>`, escape(columns[0].Name), escape(columns[len(columns)-1].Name))
	}
	s.WriteString(`</svg>`)
	return template.HTML(s.String())
}

func escape(text string) string { return template.HTMLEscapeString(text) }
