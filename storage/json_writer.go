package storage

import (
	"encoding/json"
	"strconv"
)

// JSONWriter writes JSON member by member, byte for byte as encoding/json would write
// the struct they belong to, at a fraction of its time: for bodies that are written with
// every order. A name of "" is an element of an array. The zero value is empty.
type JSONWriter struct {
	Text []byte
	err  error
}

// MemberWriter is a body that writes its own members, between the braces, the same that
// encoding/json would: a test must say so. [Codec.Put] uses it where there is one.
type MemberWriter interface{ WriteMembers(*JSONWriter) }

// Err is the first error of Value.
func (w *JSONWriter) Err() error { return w.err }

// Begin is what comes before a value that is then added to Text.
func (w *JSONWriter) Begin(name string) {
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
func (w *JSONWriter) Open(name string, bracket byte) {
	w.Begin(name)
	w.Text = append(w.Text, bracket)
}

// Close ends what Open began, with '}' or ']'.
func (w *JSONWriter) Close(bracket byte) { w.Text = append(w.Text, bracket) }

// String writes a text.
func (w *JSONWriter) String(name, value string) {
	w.Begin(name)
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			w.append(value)
			return
		}
	}
	w.Text = append(w.Text, '"')
	w.Text = append(w.Text, value...)
	w.Text = append(w.Text, '"')
}

// Int writes a number.
func (w *JSONWriter) Int(name string, value int64) {
	w.Begin(name)
	w.Text = strconv.AppendInt(w.Text, value, 10)
}

// Bool writes true or false.
func (w *JSONWriter) Bool(name string, value bool) {
	w.Begin(name)
	w.Text = strconv.AppendBool(w.Text, value)
}

// Value writes anything else, with encoding/json.
func (w *JSONWriter) Value(name string, value any) {
	w.Begin(name)
	w.append(value)
}

func (w *JSONWriter) append(value any) {
	text, err := json.Marshal(value)
	if w.err == nil {
		w.err = err
	}
	w.Text = append(w.Text, text...)
}

// StringUnlessEmpty writes a text that is left out when it is empty.
func (w *JSONWriter) StringUnlessEmpty(name, value string) {
	if value != "" {
		w.String(name, value)
	}
}

// IntUnlessZero writes a number that is left out when it is 0.
func (w *JSONWriter) IntUnlessZero(name string, value int64) {
	if value != 0 {
		w.Int(name, value)
	}
}

// TrueOnly writes true, and leaves false out.
func (w *JSONWriter) TrueOnly(name string, value bool) {
	if value {
		w.Bool(name, true)
	}
}

// Null writes null.
func (w *JSONWriter) Null(name string) {
	w.Begin(name)
	w.Text = append(w.Text, "null"...)
}

// WriteArray writes a list; null if it is nil.
func WriteArray[T any](w *JSONWriter, name string, all []T, element func(*JSONWriter, *T)) {
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
func WriteObjects[T any](w *JSONWriter, name string, all []T, members func(*JSONWriter, *T)) {
	WriteArray(w, name, all, func(w *JSONWriter, v *T) {
		w.Open("", '{')
		members(w, v)
		w.Close('}')
	})
}

// WriteStrings writes a list of texts; null if it is nil.
func WriteStrings(w *JSONWriter, name string, all []string) {
	WriteArray(w, name, all, func(w *JSONWriter, s *string) { w.String("", *s) })
}
