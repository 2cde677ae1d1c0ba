package sqlstore

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/jsonbody"
)

// pack writes the lists of a document for its own row, so that they come back
// with it, and so that the next version knows which rows of the lists table are
// its predecessor's. JSON, for whoever looks into the table.
func pack(lists []storage.Listing) (string, error) {
	if len(lists) == 0 {
		return "", nil
	}
	var room [storage.MaxLists]storage.Listing
	if !slices.IsSortedFunc(lists, byList) {
		lists = append(room[:0], lists...)
		slices.SortFunc(lists, byList)
	}
	var w jsonbody.Writer
	w.Open("", '{')
	for _, l := range lists {
		w.String("", l.List)
		w.Text = strconv.AppendInt(append(w.Text, ':'), l.Place, 10)
	}
	w.Close('}')
	return string(w.Text), w.Err()
}

func byList(a, b storage.Listing) int { return cmp.Compare(a.List, b.List) }

// unpack gives the lists ordered by name.
func unpack(packed string) ([]storage.Listing, error) {
	if packed == "" {
		return nil, nil
	}
	if lists, ok := unpackPlain([]byte(packed)); ok {
		return lists, nil
	}
	var places map[string]int64
	if err := json.Unmarshal([]byte(packed), &places); err != nil {
		return nil, err
	}
	lists := make([]storage.Listing, 0, len(places))
	for list, place := range places {
		lists = append(lists, storage.Listing{List: list, Place: place})
	}
	slices.SortFunc(lists, func(a, b storage.Listing) int { return cmp.Compare(a.List, b.List) })
	return lists, nil
}

// unpackPlain reads what pack writes, unless it has escapes.
func unpackPlain(packed []byte) ([]storage.Listing, bool) {
	lists := make([]storage.Listing, 0, 4) // most documents stand in fewer
	sorted := true
	ok := jsonbody.Members(packed, func(name, value []byte) bool {
		var l storage.Listing
		if !jsonbody.Int(value, &l.Place) || !utf8.Valid(name) {
			return false
		}
		l.List = string(name)
		sorted = sorted && (len(lists) == 0 || lists[len(lists)-1].List < l.List)
		lists = append(lists, l)
		return true
	})
	return lists, ok && sorted // a list that is named twice stands where encoding/json says
}

// without gives the listings of a that are not in b.
func without(a, b []storage.Listing) []storage.Listing {
	var rest []storage.Listing
	for _, l := range a {
		if !slices.Contains(b, l) {
			rest = append(rest, l)
		}
	}
	return rest
}
