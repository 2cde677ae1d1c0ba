package coupon

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
)

// maxNesting bounds the objects of a document that stand inside each other.
const maxNesting = 16

// reading reads a JSON document that somebody else wrote, and lists its faults with
// their paths. It refuses what encoding/json lets pass: members twice, members that
// are not known or in another letter case, null, numbers that would be rounded, text
// that is not UTF-8, anything after the document.
type reading struct {
	*Faults
	unread  []string // paths of values that could not be read: what follows from them is no fault of its own
	decoder *json.Decoder
	known   map[reflect.Type]map[string][]int // indices of a struct's members by name
}

// readStrictly reads a document of at most limit bytes into the struct that pointer
// points to. What can't be read stays zero there.
func readStrictly(data []byte, limit int, kind error, pointer any) *reading {
	r := &reading{Faults: &Faults{Kind: kind}, known: make(map[reflect.Type]map[string][]int)}
	if len(data) > limit {
		r.misread("", "the document has %d bytes, at most %d are allowed", len(data), limit)
		return r
	}
	if err := syntax(data); err != nil {
		r.misread("", "is not one JSON document: %s", err)
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
	return err
}

func (r *reading) misread(path, problem string, args ...any) {
	if !r.full() {
		r.unread = append(r.unread, path)
	}
	r.add(path, problem, args...)
}

// full says that there are too many faults to list more.
func (r *reading) full() bool { return len(r.Faults.Faults) > maxFaults }

// merge adds faults that were found in what was read, under a path, but for those
// that follow from what could not be read.
func (r *reading) merge(path string, err error) {
	found, ok := err.(*Faults)
	if !ok {
		if err != nil {
			r.add(path, "%s", err)
		}
		return
	}
	for _, fault := range found.Faults {
		if at := member(path, fault.Path); !r.follows(at) {
			r.add(at, "%s", fault.Problem)
		}
	}
}

// follows says that a fault at a path may come of what could not be read.
func (r *reading) follows(path string) bool {
	return r.full() || slices.ContainsFunc(r.unread, func(unread string) bool { return within(unread, path) || within(path, unread) })
}

// member is the path of an object's member.
func member(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}

func item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// within says that a path is another, or leads into it.
func within(path, other string) bool {
	rest, ok := strings.CutPrefix(path, other)
	return ok && (rest == "" || other == "" || rest[0] == '.' || rest[0] == '[')
}

// next gives the next token of a text that is JSON.
func (r *reading) next() json.Token {
	token, _ := r.decoder.Token()
	return token
}

var amountsType = reflect.TypeFor[Amounts]()

// value reads one value, as the type of v says.
func (r *reading) value(path string, v reflect.Value, depth int) {
	token := r.next()
	if token == nil {
		r.misread(path, "is null: leave it out")
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
		r.misread(path, "is nested more than %d deep", maxNesting)
		r.skip(token)
	case token == json.Delim('{') && v.Type() == amountsType:
		r.amounts(path, v.Addr().Interface().(*Amounts))
	case token == json.Delim('{') && v.Kind() == reflect.Struct:
		r.object(path, v, depth)
	case token == json.Delim('{') && v.Kind() == reflect.Map:
		r.named(path, v, depth)
	case token == json.Delim('[') && v.Kind() == reflect.Slice && v.Type() != amountsType:
		r.list(path, v, depth)
	default:
		r.scalar(path, v, token)
	}
}

// object reads members of known names.
func (r *reading) object(path string, v reflect.Value, depth int) {
	known := r.members(v.Type())
	seen := make(map[string]bool)
	for r.decoder.More() {
		name, _ := r.next().(string)
		at := r.once(path, name, seen)
		if index, ok := known[name]; ok {
			r.value(at, v.FieldByIndex(index), depth+1)
		} else {
			r.add(at, "is not known%s", suggestion(name, known))
			r.skip(r.next())
		}
	}
	r.next() // the closing bracket
	if typed, ok := v.Addr().Interface().(typedDocument); ok {
		r.refuseUnused(path, typed, seen)
	}
}

// typedDocument is a document whose members depend on its type.
type typedDocument interface {
	// members names what the type uses besides itself; kind says what it is a type
	// of.
	members() (kind, name string, used []string, known bool)
}

// refuseUnused refuses members that a document's type does not use.
func (r *reading) refuseUnused(path string, document typedDocument, seen map[string]bool) {
	kind, name, used, known := document.members()
	if !known {
		return
	}
	for _, member := range slices.Sorted(maps.Keys(seen)) {
		if member != "type" && !slices.Contains(used, member) && r.members(reflect.TypeOf(document).Elem())[member] != nil {
			r.add(path+"."+member, "is not for a %s of type %s", kind, name)
		}
	}
}

// named reads members of any name, whose values have one type.
func (r *reading) named(path string, v reflect.Value, depth int) {
	v.Set(reflect.MakeMap(v.Type()))
	seen := make(map[string]bool)
	for r.decoder.More() {
		name, _ := r.next().(string)
		value := reflect.New(v.Type().Elem()).Elem()
		if seen[name] {
			r.misread(named(path, name), "stands twice")
		}
		seen[name] = true
		r.value(named(path, name), value, depth+1)
		v.SetMapIndex(reflect.ValueOf(name), value)
	}
	r.next()
}

// named is the path of a member whose name somebody chose.
func named(path, name string) string { return fmt.Sprintf("%s[%.*q]", path, MaxKey, name) }

// once gives the path of a member, and notes that it was seen.
func (r *reading) once(path, name string, seen map[string]bool) string {
	at := member(path, name)
	if len(name) > MaxKey || name == "" || !printable(name) {
		at = named(path, name)
	}
	if seen[name] {
		r.misread(at, "stands twice")
	}
	seen[name] = true
	return at
}

func suggestion(name string, known map[string][]int) string {
	for _, other := range slices.Sorted(maps.Keys(known)) {
		if strings.EqualFold(name, other) {
			return fmt.Sprintf(": write %q", other)
		}
	}
	return ""
}

func (r *reading) list(path string, v reflect.Value, depth int) {
	for i := 0; r.decoder.More(); i++ {
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		r.value(item(path, i), v.Index(i), depth)
	}
	r.next()
}

// skip reads over the rest of a value that is not wanted, however deep.
func (r *reading) skip(token json.Token) {
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

func (r *reading) text(path string, v encoding.TextUnmarshaler, token json.Token) {
	text, ok := token.(string)
	if !ok {
		r.misread(path, "is %s, want a text", found(token))
		r.skip(token)
		return
	}
	err := v.UnmarshalText([]byte(text))
	if _, isTime := v.(*time.Time); isTime && err != nil {
		err = fmt.Errorf("%.40q is no instant like 2026-11-20T12:00:00Z", text)
	}
	if err != nil {
		r.misread(path, "%s", strings.TrimPrefix(err.Error(), ErrOffer.Error()+": "))
	}
}

// amounts reads one amount per currency.
func (r *reading) amounts(path string, amounts *Amounts) {
	seen := make(map[string]bool)
	*amounts = Amounts{}
	for r.decoder.More() {
		code, _ := r.next().(string)
		at := r.once(path, code, seen)
		token := r.next()
		text, ok := token.(string)
		if !ok {
			r.misread(at, `is %s, want an amount as a text: "5.00"`, found(token))
			r.skip(token)
			continue
		}
		currency, err := ledger.ParseCurrency(code)
		if err != nil {
			r.misread(at, "%s", err)
			continue
		}
		amount, err := ledger.ParseMoney(text, currency)
		if err != nil {
			r.misread(at, "%s", err)
			continue
		}
		*amounts = append(*amounts, amount)
	}
	r.next()
}

func (r *reading) scalar(path string, v reflect.Value, token json.Token) {
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
	r.misread(path, "is %s, want %s", found(token), wanted(v.Type()))
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
	case t == amountsType:
		return `an amount per currency: {"EUR":"5.00"}`
	case t.Kind() == reflect.String:
		return "a text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		return "an object"
	}
	return "a whole number"
}

// members are the fields of a struct by their JSON names, those of embedded structs
// included.
func (r *reading) members(t reflect.Type) map[string][]int {
	if r.known[t] == nil {
		r.known[t] = members(t)
	}
	return r.known[t]
}

func members(t reflect.Type) map[string][]int {
	named := make(map[string][]int)
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			named[name] = f.Index
		}
	}
	return named
}
