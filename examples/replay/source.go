package main

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// source opens the tables of a data set, as in "olist/items". Each is CSV in
// UTF-8 with a header row.
type source struct {
	open func(table string) (io.ReadCloser, error)
	file func(table string) string // its name in messages
}

// openFolder is the source of a set in a folder of gzipped files; false when
// there is no such folder.
func openFolder(folder, set string) (source, bool) {
	info, err := os.Stat(filepath.Join(folder, set))
	if folder == "" || err != nil || !info.IsDir() {
		return source{}, false
	}
	file := func(table string) string { return filepath.Join(folder, filepath.FromSlash(table)+".csv.gz") }
	return source{file: file, open: func(table string) (io.ReadCloser, error) {
		f, err := os.Open(file(table))
		if err != nil {
			return nil, err
		}
		unpacked, err := gzip.NewReader(f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return struct {
			io.Reader
			io.Closer
		}{unpacked, f}, nil
	}}, true
}

// table is one table to read: the columns needed, and what takes the cells of a
// row, in that order. The cells are only lent.
type table struct {
	name    string
	columns []string
	row     func(cells []string) error
}

// read goes through tables, one after the other. An error names the file and the
// line.
func (s source) read(tables ...table) error {
	for _, t := range tables {
		file, err := s.open(t.name)
		if err != nil {
			return fmt.Errorf("%s: %w", s.file(t.name), err)
		}
		line, err := t.read(file)
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("%s, line %d: %w", s.file(t.name), line, err)
		}
	}
	return nil
}

func (t *table) read(file io.Reader) (line int, err error) {
	reader := csv.NewReader(file)
	header, err := reader.Read()
	if err != nil {
		return 1, fmt.Errorf("no header row: %w", err)
	}
	places := make([]int, len(t.columns))
	for i, column := range t.columns {
		if places[i] = slices.Index(header, column); places[i] < 0 {
			return 1, fmt.Errorf("there is no column %q, only %s", column, strings.Join(header, ", "))
		}
	}
	cells := make([]string, len(t.columns))
	for line = 1; ; {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return line, nil
		}
		if err != nil {
			return line + 1, err // beyond the last that could be read
		}
		line, _ = reader.FieldPos(0)
		for i, place := range places {
			cells[i] = record[place]
		}
		if err := t.row(cells); err != nil {
			return line, err
		}
	}
}

// tables are generated data: by name, the rows, the first being the header.
type tables map[string][][]string

// add appends a row.
func (t tables) add(table string, cells ...string) { t[table] = append(t[table], cells) }

func (t tables) source() source {
	return source{
		file: func(table string) string { return "generated " + table },
		open: func(table string) (io.ReadCloser, error) {
			var text bytes.Buffer
			err := csv.NewWriter(&text).WriteAll(t[table])
			return io.NopCloser(&text), err
		},
	}
}
