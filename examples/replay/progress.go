package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// progress shows how far a long piece of work is: a bar on a terminal, elsewhere
// a line when it begins and when it ends.
type progress struct {
	out      io.Writer
	terminal bool
	label    string
	total    int
	done     int
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if file, ok := out.(*os.File); ok {
		info, err := file.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// start begins a piece of work of total steps.
func (p *progress) start(label string, total int) {
	p.label, p.total, p.done = label, total, 0
	if p.terminal {
		p.draw()
	} else {
		fmt.Fprintf(p.out, "%s: %s\n", p.label, count(total))
	}
}

// step says that one more step is done.
func (p *progress) step() {
	before := p.percent()
	p.done++
	if p.terminal && p.percent() != before {
		p.draw()
	}
}

// end takes the bar away.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	} else {
		fmt.Fprintf(p.out, "%s: done\n", p.label)
	}
}

// abandon leaves a bar as it is, for a message below it.
func (p *progress) abandon() {
	if p.terminal {
		fmt.Fprintln(p.out)
	}
}

func (p *progress) percent() int { return p.done * 100 / max(p.total, 1) }

func (p *progress) draw() {
	const width = 30
	full := min(p.percent()*width/100, width)
	fmt.Fprintf(p.out, "\r%-44s %s%s %3d %%", p.label, strings.Repeat("█", full), strings.Repeat("░", width-full), p.percent())
}
