package jsonbody

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// Writer writes JSON member by member, as encoding/json would write the struct they
// belong to. Names are written as they are, so they have no character that JSON escapes;
// one of "" is an element of an array. The zero value is empty.
type Writer struct {
	Text []byte // what is written so far
	err  error
}

// Err is the first error of Value.
func (w *Writer) Err() error { return w.err }

// Begin is what comes before a value that is then added to Text.
func (w *Writer) Begin(name string) {
	if n := len(w.Text); n > 0 && w.Text[n-1] != '{' && w.Text[n-1] != '[' {
		w.Text = append(w.Text, ',')
	}
	if name != "" {
		w.Text = append(w.Text, '"')
		w.Text = append(w.Text, name...)
		w.Text = append(w.Text, '"', ':')
	}
}

// Open begins an object or an array, with '{' or '['.
func (w *Writer) Open(name string, bracket byte) {
	w.Begin(name)
	w.Text = append(w.Text, bracket)
}

// Close ends what Open began, with '}' or ']'.
func (w *Writer) Close(bracket byte) { w.Text = append(w.Text, bracket) }

// String writes a text.
func (w *Writer) String(name, value string) {
	w.Begin(name)
	w.text(value)
}

func (w *Writer) text(value string) {
	for i := range len(value) {
		if !asIs[value[i]] {
			w.append(value)
			return
		}
	}
	w.Text = append(w.Text, '"')
	w.Text = append(w.Text, value...)
	w.Text = append(w.Text, '"')
}

// asIs says of bytes that encoding/json writes them as they are.
var asIs = func() (asIs [256]bool) {
	for c := ' '; c <= '~'; c++ {
		asIs[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return asIs
}()

// Int writes a number.
func (w *Writer) Int(name string, value int64) {
	w.Begin(name)
	w.Text = strconv.AppendInt(w.Text, value, 10)
}

// Bool writes true or false.
func (w *Writer) Bool(name string, value bool) {
	w.Begin(name)
	w.Text = strconv.AppendBool(w.Text, value)
}

// Value writes anything else, with encoding/json.
func (w *Writer) Value(name string, value any) {
	w.Begin(name)
	w.append(value)
}

func (w *Writer) append(value any) {
	text, err := json.Marshal(value)
	if w.err == nil {
		w.err = err
	}
	w.Text = append(w.Text, text...)
}

// Members writes the members of an object that is written already.
func (w *Writer) Members(object []byte) {
	if members := bytes.TrimSuffix(bytes.TrimPrefix(object, []byte("{")), []byte("}")); len(members) > 0 {
		w.Begin("")
		w.Text = append(w.Text, members...)
	}
}

// StringUnlessEmpty writes a text that is left out when it is empty.
func (w *Writer) StringUnlessEmpty(name, value string) {
	if value != "" {
		w.String(name, value)
	}
}

// IntUnlessZero writes a number that is left out when it is 0.
func (w *Writer) IntUnlessZero(name string, value int64) {
	if value != 0 {
		w.Int(name, value)
	}
}

// TrueOnly writes true, and leaves false out.
func (w *Writer) TrueOnly(name string, value bool) {
	if value {
		w.Bool(name, true)
	}
}

// Null writes null.
func (w *Writer) Null(name string) {
	w.Begin(name)
	w.Text = append(w.Text, "null"...)
}

// WriteArray writes a list; null if it is nil.
func WriteArray[T any](w *Writer, name string, all []T, element func(*Writer, *T)) {
	if all == nil {
		w.Null(name)
		return
	}
	w.Open(name, '[')
	for i := range all {
		element(w, &all[i])
	}
	w.Close(']')
}

// WriteObjects writes a list of objects by their members; null if it is nil.
func WriteObjects[T any](w *Writer, name string, all []T, members func(*Writer, *T)) {
	WriteArray(w, name, all, func(w *Writer, v *T) {
		w.Open("", '{')
		members(w, v)
		w.Close('}')
	})
}

// WriteStrings writes a list of texts; null if it is nil.
func WriteStrings(w *Writer, name string, all []string) {
	WriteArray(w, name, all, func(w *Writer, s *string) { w.String("", *s) })
}

// WriteMap writes texts by name, sorted; null if there is no map.
func WriteMap(w *Writer, name string, all map[string]string) {
	if all == nil {
		w.Null(name)
		return
	}
	w.Open(name, '{')
	for _, key := range slices.Sorted(maps.Keys(all)) {
		w.String("", key)
		w.Text = append(w.Text, ':')
		w.text(all[key])
	}
	w.Close('}')
}
