// Package strict reads JSON documents that somebody else wrote, and lists everything
// that is wrong with them: what encoding/json lets pass, too. It serves packages coupon
// and referral and may change with them.
package strict

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage/jsonbody"
)

// maxNesting bounds the objects of a document that stand inside each other.
const maxNesting = 16

// Sink takes the faults that are found, each with its path in the document.
type Sink interface {
	Add(path, problem string, args ...any)
	Full() bool // there are too many to list more
}

// Reader reads one document. It refuses what encoding/json lets pass: members twice,
// members that are not known or in another letter case, null, numbers that would be
// rounded, text that is not UTF-8 or has half a character, anything after the document.
// What is missing it notes, for the caller to refuse.
//
// A value is read as its Go type says: structs by the JSON names of their fields, lists,
// maps, texts with UnmarshalText, whole numbers, true and false; [ledger.Money] as
// {"amount": "5.00", "currency": "EUR"}, and a list of it as {"EUR": "5.00"}.
type Reader struct {
	Sink
	Unread  []string // paths of values that could not be read: what follows from them is no fault of its own
	Missing []string // paths of members that were left out and are always written (those without omitempty), in order
	decoder *json.Decoder
	known   map[reflect.Type]map[string][]int // indices of a struct's members by name
	needed  map[reflect.Type][]string         // the names of those that are always written, in their order
	prefix  string
}

// maxName bounds in bytes how much of a name is told.
const maxName = 100

// New makes a reader that has read nothing: for documents that were read by others.
func New(sink Sink) *Reader { return &Reader{Sink: sink} }

// Read reads a document of at most limit bytes into the struct that pointer points to.
// What can't be read stays zero there. The prefix is cut off the errors of texts.
func Read(data []byte, limit int, sink Sink, prefix string, pointer any) *Reader {
	r := &Reader{Sink: sink, known: make(map[reflect.Type]map[string][]int), needed: make(map[reflect.Type][]string), prefix: prefix}
	if len(data) > limit {
		r.Misread("", "the document has %d bytes, at most %d are allowed", len(data), limit)
		return r
	}
	if err := syntax(data); err != nil {
		r.Misread("", "is not one JSON document: %s", err)
		return r
	}
	r.decoder = json.NewDecoder(bytes.NewReader(data))
	r.decoder.UseNumber()
	r.value("", reflect.ValueOf(pointer).Elem(), 1)
	return r
}

// syntax says where a text stops being JSON.
func syntax(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("it is not UTF-8")
	}
	var raw json.RawMessage
	err := json.Unmarshal(data, &raw)
	if at, ok := err.(*json.SyntaxError); ok {
		return fmt.Errorf("byte %d: %w", at.Offset, at)
	}
	if err != nil {
		return err
	}
	for at, character := range jsonbody.Escapes(data) {
		if character == jsonbody.HalfPair { // texts that differ in it alone would be read as the same
			return fmt.Errorf("byte %d: %s is half a character", at+1, data[at:at+jsonbody.EscapeSize])
		}
	}
	return nil
}

// Misread adds a fault about a value that stays zero.
func (r *Reader) Misread(path, problem string, args ...any) {
	if !r.Full() {
		r.Unread = append(r.Unread, path)
	}
	r.Add(path, problem, args...)
}

// HasRead says that the document could be read at all.
func (r *Reader) HasRead() bool { return r.decoder != nil }

// Follows says that a fault at a path may come of what could not be read.
func (r *Reader) Follows(path string) bool {
	return r.Full() || slices.ContainsFunc(r.Unread, func(unread string) bool { return within(unread, path) || within(path, unread) })
}

// Member is the path of an object's member.
func Member(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}

// Item is the path of a list's entry.
func Item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// within says that a path is another, or leads into it.
func within(path, other string) bool {
	rest, ok := strings.CutPrefix(path, other)
	return ok && (rest == "" || other == "" || rest[0] == '.' || rest[0] == '[')
}

// next gives the next token of a text that is JSON.
func (r *Reader) next() json.Token {
	token, _ := r.decoder.Token()
	return token
}

var moneyType = reflect.TypeFor[ledger.Money]()

// isAmounts says that a type is a list of money: one amount per currency.
func isAmounts(t reflect.Type) bool { return t.Kind() == reflect.Slice && t.Elem() == moneyType }

// value reads one value, as the type of v says.
func (r *Reader) value(path string, v reflect.Value, depth int) {
	token := r.next()
	if token == nil {
		r.Misread(path, "is null: leave it out")
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	text, isText := v.Addr().Interface().(encoding.TextUnmarshaler)
	switch {
	case isText:
		r.text(path, text, token)
	case token == json.Delim('{') && depth > maxNesting:
		r.Misread(path, "is nested more than %d deep", maxNesting)
		r.skip(token)
	case token == json.Delim('{') && isAmounts(v.Type()):
		r.amounts(path, v)
	case token == json.Delim('{') && v.Type() == moneyType:
		r.money(path, v, depth)
	case token == json.Delim('{') && v.Kind() == reflect.Struct:
		r.object(path, v, depth)
	case token == json.Delim('{') && v.Kind() == reflect.Map:
		r.named(path, v, depth)
	case token == json.Delim('[') && v.Kind() == reflect.Slice && !isAmounts(v.Type()):
		r.list(path, v, depth)
	default:
		r.scalar(path, v, token)
	}
}

// object reads members of known names.
func (r *Reader) object(path string, v reflect.Value, depth int) {
	known := r.members(v.Type())
	seen := make(map[string]bool)
	for r.decoder.More() {
		name, _ := r.next().(string)
		at := r.once(path, name, seen)
		if index, ok := known[name]; ok {
			r.value(at, v.FieldByIndex(index), depth+1)
		} else {
			r.Add(at, "is not known%s", suggestion(name, known))
			r.skip(r.next())
		}
	}
	r.next() // the closing bracket
	for _, name := range r.needed[v.Type()] {
		if !seen[name] && !r.Full() {
			r.Missing = append(r.Missing, Member(path, name))
		}
	}
	if typed, ok := v.Addr().Interface().(Typed); ok {
		r.refuseUnused(path, typed, seen)
	}
}

// Typed is a document whose members depend on its type.
type Typed interface {
	// Members names what the type uses besides itself; kind says what it is a type
	// of.
	Members() (kind, name string, used []string, known bool)
}

// refuseUnused refuses members that a document's type does not use.
func (r *Reader) refuseUnused(path string, document Typed, seen map[string]bool) {
	kind, name, used, known := document.Members()
	if !known {
		return
	}
	for _, member := range slices.Sorted(maps.Keys(seen)) {
		if member != "type" && !slices.Contains(used, member) && r.members(reflect.TypeOf(document).Elem())[member] != nil {
			r.Add(path+"."+member, "is not for a %s of type %s", kind, name)
		}
	}
}

// named reads members of any name, whose values have one type.
func (r *Reader) named(path string, v reflect.Value, depth int) {
	v.Set(reflect.MakeMap(v.Type()))
	seen := make(map[string]bool)
	for r.decoder.More() {
		name, _ := r.next().(string)
		value := reflect.New(v.Type().Elem()).Elem()
		if seen[name] {
			r.Misread(Named(path, name), "stands twice")
		}
		seen[name] = true
		r.value(Named(path, name), value, depth+1)
		v.SetMapIndex(reflect.ValueOf(name), value)
	}
	r.next()
}

// Named is the path of a member whose name somebody chose.
func Named(path, name string) string { return fmt.Sprintf("%s[%.*q]", path, maxName, name) }

// once gives the path of a member, and notes that it was seen.
func (r *Reader) once(path, name string, seen map[string]bool) string {
	at := Member(path, name)
	if len(name) > maxName || name == "" || strings.ContainsFunc(name, unprintable) {
		at = Named(path, name)
	}
	if seen[name] {
		r.Misread(at, "stands twice")
	}
	seen[name] = true
	return at
}

// suggestion says how a name is written, or which there are.
func suggestion(name string, known map[string][]int) string {
	for _, other := range slices.Sorted(maps.Keys(known)) {
		if strings.EqualFold(name, other) {
			return fmt.Sprintf(": write %q", other)
		}
	}
	return ": want one of " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")
}

func (r *Reader) list(path string, v reflect.Value, depth int) {
	for i := 0; r.decoder.More(); i++ {
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		r.value(Item(path, i), v.Index(i), depth)
	}
	r.next()
}

// skip reads over the rest of a value that is not wanted, however deep.
func (r *Reader) skip(token json.Token) {
	for open := 0; ; token = r.next() {
		switch token {
		case json.Delim('{'), json.Delim('['):
			open++
		case json.Delim('}'), json.Delim(']'):
			open--
		}
		if open == 0 {
			return
		}
	}
}

func (r *Reader) text(path string, v encoding.TextUnmarshaler, token json.Token) {
	text, ok := token.(string)
	if !ok {
		r.Misread(path, "is %s, want a text", found(token))
		r.skip(token)
		return
	}
	err := v.UnmarshalText([]byte(text))
	if _, isTime := v.(*time.Time); isTime && err != nil {
		err = fmt.Errorf("%.40q is no instant like 2026-11-20T12:00:00Z", text)
	}
	if err != nil {
		r.Misread(path, "%s", strings.TrimPrefix(err.Error(), r.prefix))
	}
}

// amounts reads one amount per currency.
func (r *Reader) amounts(path string, amounts reflect.Value) {
	seen := make(map[string]bool)
	amounts.Set(reflect.MakeSlice(amounts.Type(), 0, 1))
	for r.decoder.More() {
		code, _ := r.next().(string)
		at := r.once(path, code, seen)
		token := r.next()
		text, ok := token.(string)
		if !ok {
			r.Misread(at, `is %s, want an amount as a text: "5.00"`, found(token))
			r.skip(token)
			continue
		}
		currency, err := ledger.ParseCurrency(code)
		if err != nil {
			r.Misread(at, "%s", err)
			continue
		}
		amount, err := ledger.ParseMoney(text, currency)
		if err != nil {
			r.Misread(at, "%s", err)
			continue
		}
		amounts.Set(reflect.Append(amounts, reflect.ValueOf(amount)))
	}
	r.next()
}

// moneyDocument is an amount of money.
type moneyDocument struct {
	Amount   string          `json:"amount"`
	Currency ledger.Currency `json:"currency"`
}

func (r *Reader) money(path string, v reflect.Value, depth int) {
	var d moneyDocument
	before := len(r.Unread)
	r.object(path, reflect.ValueOf(&d).Elem(), depth)
	if len(r.Unread) > before {
		return
	}
	m, err := ledger.ParseMoney(d.Amount, d.Currency)
	if err != nil {
		r.Misread(path, "%s", err)
		return
	}
	v.Set(reflect.ValueOf(m))
}

func (r *Reader) scalar(path string, v reflect.Value, token json.Token) {
	switch token := token.(type) {
	case string:
		if v.Kind() == reflect.String {
			v.SetString(token)
			return
		}
	case bool:
		if v.Kind() == reflect.Bool {
			v.SetBool(token)
			return
		}
	case json.Number:
		if number, err := strconv.ParseInt(token.String(), 10, 64); err == nil && v.CanInt() && !v.OverflowInt(number) {
			v.SetInt(number)
			return
		}
	}
	r.Misread(path, "is %s, want %s", found(token), wanted(v.Type()))
	r.skip(token)
}

func found(token json.Token) string {
	switch token := token.(type) {
	case string:
		return fmt.Sprintf("the text %.40q", token)
	case json.Number:
		return fmt.Sprintf("the number %.40s", token)
	case json.Delim:
		if token == '{' {
			return "an object"
		}
		return "a list"
	case nil:
		return "null"
	}
	return fmt.Sprint(token)
}

func wanted(t reflect.Type) string {
	switch {
	case isAmounts(t):
		return `an amount per currency: {"EUR":"5.00"}`
	case t.Kind() == reflect.String:
		return "a text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t == moneyType:
		return `an amount of money: {"amount":"5.00","currency":"EUR"}`
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		return "an object"
	}
	return "a whole number"
}

// members are the fields of a struct by their JSON names, those of embedded structs
// included.
func (r *Reader) members(t reflect.Type) map[string][]int {
	if r.known[t] == nil {
		r.known[t], r.needed[t] = Members(t), required(t)
	}
	return r.known[t]
}

// Members are the indices of a struct's fields by their JSON names, those of embedded
// structs included.
func Members(t reflect.Type) map[string][]int {
	named := make(map[string][]int)
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			named[name] = f.Index
		}
	}
	return named
}

// required are the JSON names of a struct's fields that are always written.
func required(t reflect.Type) []string {
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		if name, options, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && options == "" {
			names = append(names, name)
		}
	}
	return names
}

// Lacks gives those of the missing members of which no fault says anything yet, where the
// paths are those of the faults.
func (r *Reader) Lacks(paths []string) []string {
	return slices.DeleteFunc(slices.Clone(r.Missing), func(missing string) bool {
		return slices.ContainsFunc(paths, func(path string) bool { return within(path, missing) })
	})
}

// unprintable says that a character has no place in a path.
func unprintable(c rune) bool { return c < ' ' || c == 0x7f }
