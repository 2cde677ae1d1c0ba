package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
)

// readError is a failure of the input itself.
type readError struct{ err error }

func (e *readError) Error() string { return "the input can't be read: " + e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// documents reads JSON documents one after the other, each beginning on a line of its
// own: JSON Lines, or documents over several lines, which end with the line on which
// their last bracket is closed. Where that is no JSON, as after a line that was cut
// off, each line that is a whole object by itself is a document, and the lines
// between two of them are one that is no JSON. So a fault costs no document after it.
//
// A document of more than limit bytes gives an error in its place; what is held in
// memory is no more than twice that.
func documents(in io.Reader, limit int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		lines := lines{reader: bufio.NewReader(in), limit: limit}
		if mark, _ := lines.reader.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
			lines.reader.Discard(len(byteOrderMark)) // it was peeked at: that can't fail
		}
		for {
			document, err := lines.document()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, &readError{err})
				return
			}
			all := parts(document)
			if len(all) == 1 && len(document) > limit {
				lines.skip(document)
			}
			for _, part := range all {
				var tooLong error
				if len(part) > limit {
					tooLong = fmt.Errorf("the document has more than %d bytes", limit)
				}
				if !yield(part, tooLong) {
					return
				}
			}
		}
	}
}

// byteOrderMark is what some editors put before UTF-8.
const byteOrderMark = "\ufeff"

// lines reads documents over several lines.
type lines struct {
	reader *bufio.Reader
	limit  int
	open   brackets // of the document being read
}

// document reads lines until their brackets are closed, or they are more than the
// limit. It gives io.EOF when there is nothing but blank lines left.
func (l *lines) document() ([]byte, error) {
	var document []byte
	l.open = brackets{}
	for {
		line, err := l.line()
		if len(bytes.TrimSpace(line)) > 0 || len(document) > 0 {
			document = append(document, line...)
			l.open.read(line)
		}
		switch {
		case err == io.EOF && len(bytes.TrimSpace(document)) > 0:
			return document, nil
		case err != nil:
			return document, err
		case len(document) > 0 && (!l.open.more() || len(document) > l.limit):
			return document, nil
		}
	}
}

// skip passes over the rest of a document that is too long, unless it stopped within
// a line: then the rest was passed over already.
func (l *lines) skip(document []byte) {
	for document[len(document)-1] == '\n' && l.open.more() {
		line, err := l.line()
		if err != nil {
			return // as the next read says
		}
		l.open.read(line)
	}
}

// line reads a line with its end. Of a line beyond the limit it gives one byte more
// than that, and passes over the rest.
func (l *lines) line() (line []byte, err error) {
	for {
		var piece []byte
		piece, err = l.reader.ReadSlice('\n')
		line = append(line, piece[:min(len(piece), l.limit+1-len(line))]...)
		if err != bufio.ErrBufferFull {
			return line, err
		}
	}
}

// brackets counts those that are open outside texts.
type brackets struct {
	depth           int
	inText, escaped bool
}

// more says that the document goes on after the line. No text does.
func (b *brackets) more() bool { return b.depth > 0 && !b.inText }

func (b *brackets) read(line []byte) {
	for _, c := range line {
		switch {
		case b.escaped:
			b.escaped = false
		case b.inText && c == '\\':
			b.escaped = true
		case c == '"':
			b.inText = !b.inText
		case b.inText:
		case c == '{' || c == '[':
			b.depth++
		case c == '}' || c == ']':
			b.depth--
		}
	}
}

// parts gives a document that is JSON, or too long in one line, as it is, and what is
// not by its lines.
func parts(document []byte) [][]byte {
	if json.Valid(document) || bytes.IndexByte(document, '\n') < 0 {
		return whole(document)
	}
	var all [][]byte
	begin, at := 0, 0
	for line := range bytes.Lines(document) {
		if line[0] == '{' && json.Valid(line) {
			all = append(all, whole(document[begin:at])...)
			all = append(all, line)
			begin = at + len(line)
		}
		at += len(line)
	}
	return append(all, whole(document[begin:])...)
}

func whole(document []byte) [][]byte {
	if len(bytes.TrimSpace(document)) == 0 {
		return nil
	}
	return [][]byte{document}
}
