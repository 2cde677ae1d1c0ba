package storage

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"sync"

	"github.com/vouch-go/vouch/storage/jsonbody"
)

// Codec reads and writes the bodies of one kind as values of T, so that two
// releases can run side by side:
//   - every body carries its format number in the member "format";
//   - members that T does not know are kept and written back;
//   - a body with a higher format than this codec's is [ErrNewer], and is never
//     rewritten.
//
// A release that adds a top-level member keeps the format; one that changes a
// member's meaning, or anything inside a nested value, raises it.
type Codec[T any] struct {
	format int
	known  map[string]struct{}
	spare  sync.Pool // of *writing[T]
}

// writing is what a body is written in: a record that the pool keeps room for, and more
// text than most need. A body's own memory is then just as large as it is.
type writing[T any] struct {
	record Record[T]
	w      jsonbody.Writer
}

// Record is a document with its body decoded.
type Record[T any] struct {
	Key     Key
	Version int64 // 0: not in the store yet
	Value   T
	unknown map[string]json.RawMessage
}

// NewCodec makes the codec of a kind whose bodies have the given format, from 1.
// T is a struct that marshals to a JSON object; "format" is not among its members. One
// that marshals itself writes every member it knows even when it is empty: that is how
// the codec tells them from others. It panics when T is anything else, which the first
// test notices.
func NewCodec[T any](format int) *Codec[T] {
	var zero T
	body, err := json.Marshal(zero)
	written := make(map[string]json.RawMessage)
	if err == nil {
		err = json.Unmarshal(body, &written)
	}
	known := make(map[string]struct{}, len(written)+1)
	for name := range maps.Keys(written) {
		known[name] = struct{}{}
	}
	if _, marshals := any(zero).(json.Marshaler); !marshals && err == nil && written != nil {
		addMembers(reflect.TypeFor[T](), known)
	}
	_, taken := known["format"]
	switch {
	case written == nil: // null
		err = errors.New("it is not a struct")
	case taken:
		err = errors.New("the member \"format\" is the codec's own")
	}
	if err != nil || format < 1 {
		panic(fmt.Sprintf("storage: NewCodec of %T in format %d: %v", zero, format, err))
	}
	known["format"] = struct{}{}
	return &Codec[T]{format: format, known: known}
}

// addMembers adds the names of a struct's members, with those that are left out when
// they are empty.
func addMembers(t reflect.Type, names map[string]struct{}) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		switch {
		case tag == "-":
		case f.Anonymous && name == "": // its members are the struct's own
			addMembers(f.Type, names)
		case f.IsExported():
			names[cmp.Or(name, f.Name)] = struct{}{}
		}
	}
}

// memberReader is a T that reads the members it knows itself, without reflection, where
// they are written in the plain way; it is false for all else.
type memberReader interface {
	ReadMember(name, value []byte) bool
}

// Decode reads a document. It fails with ErrNewer or ErrCorrupt. Where *T has a method
// ReadMember(name, value []byte) bool, that reads what is written as the codec writes it
// in a fraction of the time; where it is false, encoding/json reads the document.
func (c *Codec[T]) Decode(doc Doc) (Record[T], error) {
	if record, ok := c.decodePlain(doc); ok {
		return record, nil
	}
	return c.decodeAny(doc)
}

// decodePlain reads a document of this format that has no other members than T knows.
func (c *Codec[T]) decodePlain(doc Doc) (record Record[T], ok bool) {
	reader, reads := any(&record.Value).(memberReader)
	if !reads {
		return record, false
	}
	record.Key, record.Version = doc.Key, doc.Version
	format := 0
	ok = jsonbody.Members(doc.Body, func(name, value []byte) bool {
		if string(name) == "format" {
			return jsonbody.Int(value, &format)
		}
		return reader.ReadMember(name, value)
	})
	return record, ok && format >= 1 && format <= c.format
}

func (c *Codec[T]) decodeAny(doc Doc) (Record[T], error) {
	record := Record[T]{Key: doc.Key, Version: doc.Version}
	format := 0
	whole := members(doc.Body, func(name string, value []byte) {
		switch _, known := c.known[name]; {
		case name == "format":
			if json.Unmarshal(value, &format) != nil {
				format = 0
			}
		case !known:
			if record.unknown == nil {
				record.unknown = make(map[string]json.RawMessage)
			}
			record.unknown[name] = bytes.Clone(value)
		}
	})
	switch {
	case whole && format < 1:
		return record, fmt.Errorf("%w: %s: it has no format number", ErrCorrupt, doc.Key)
	case whole && format > c.format:
		return record, fmt.Errorf("%w: %s has format %d, this release reads up to %d: upgrade it", ErrNewer, doc.Key, format, c.format)
	}
	if err := json.Unmarshal(doc.Body, &record.Value); err != nil {
		return record, fmt.Errorf("%w: %s: %w", ErrCorrupt, doc.Key, err)
	}
	if !whole {
		return record, fmt.Errorf("%w: %s: it is not a JSON object", ErrCorrupt, doc.Key)
	}
	return record, nil
}

// members visits the members of a JSON object without reading their values, which
// is most of what decoding would cost. It is false when the text is not an object;
// whether the values are valid it does not say.
func members(body []byte, visit func(name string, value []byte)) bool {
	rest := bytes.TrimLeft(body, space)
	if len(rest) == 0 || rest[0] != '{' {
		return false
	}
	if rest = bytes.TrimLeft(rest[1:], space); len(rest) > 0 && rest[0] == '}' {
		return true
	}
	for {
		end := jsonbody.End(rest)
		if end < 2 || rest[0] != '"' {
			return false
		}
		name := string(rest[1 : end-1])
		if strings.ContainsRune(name, '\\') && json.Unmarshal(rest[:end], &name) != nil {
			return false
		}
		if rest = bytes.TrimLeft(rest[end:], space); len(rest) == 0 || rest[0] != ':' {
			return false
		}
		rest = bytes.TrimLeft(rest[1:], space)
		if end = jsonbody.End(rest); end < 1 {
			return false
		}
		visit(name, rest[:end])
		rest = bytes.TrimLeft(rest[end:], space)
		switch {
		case len(rest) > 0 && rest[0] == ',':
			rest = bytes.TrimLeft(rest[1:], space)
		default:
			return len(rest) > 0 && rest[0] == '}'
		}
	}
}

const space = " \t\r\n"

// Put writes the record: a new document when its version is 0, otherwise a
// change of the version read. It stands in the given lists and wants attention
// at due (unix microseconds, 0 never). It fails when the value cannot be
// marshalled. Where *T has a method WriteMembers(*jsonbody.Writer), that writes its members.
func (c *Codec[T]) Put(r Record[T], due int64, lists ...Listing) (Put, error) {
	s, used := c.spare.Get().(*writing[T])
	if !used {
		s = new(writing[T])
	}
	s.record = r
	body, err := c.write(&s.record, &s.w)
	if text := s.w.Text[:0]; cap(text) <= maxSpare {
		*s = writing[T]{w: jsonbody.Writer{Text: text}}
		c.spare.Put(s)
	}
	if err != nil {
		return Put{}, fmt.Errorf("storage: cannot write %s: %w", r.Key, err)
	}
	return Put{Key: r.Key, Version: r.Version, Lists: lists, Due: due, Body: body}, nil
}

// maxSpare is how much text is kept for the next body.
const maxSpare = 64 << 10

// write writes a record, and gives its body in memory of its own.
func (c *Codec[T]) write(r *Record[T], w *jsonbody.Writer) ([]byte, error) {
	w.Open("", '{')
	w.Int("format", int64(c.format))
	if value, writes := any(&r.Value).(memberWriter); writes {
		value.WriteMembers(w)
	} else {
		text, err := json.Marshal(r.Value)
		if err != nil {
			return nil, err
		}
		w.Members(text)
	}
	if len(r.unknown) > 0 {
		text, err := json.Marshal(r.unknown) // sorted by name: the same record gives the same bytes
		if err != nil {
			return nil, err
		}
		w.Members(text)
	}
	w.Close('}')
	if err := w.Err(); err != nil {
		return nil, err
	}
	return bytes.Clone(w.Text), nil
}

// memberWriter is a T that writes its members itself, without reflection, as encoding/json
// would.
type memberWriter interface{ WriteMembers(*jsonbody.Writer) }
