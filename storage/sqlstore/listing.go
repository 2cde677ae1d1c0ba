package sqlstore

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/vouch-go/vouch/storage"
)

// pack writes the lists of a document for its own row, so that they come back
// with it, and so that the next version knows which rows of the lists table are
// its predecessor's. JSON, for whoever looks into the table.
func pack(lists []storage.Listing) (string, error) {
	if len(lists) == 0 {
		return "", nil
	}
	packed := make([]byte, 0, 64*len(lists))
	for i, l := range inOrder(lists) {
		packed = append(packed, "{,"[min(i, 1)])
		if plain(l.List) {
			packed = append(append(append(packed, '"'), l.List...), '"')
		} else {
			name, err := json.Marshal(l.List)
			if err != nil {
				return "", err
			}
			packed = append(packed, name...)
		}
		packed = strconv.AppendInt(append(packed, ':'), l.Place, 10)
	}
	return string(append(packed, '}')), nil
}

// inOrder gives the lists ordered by name.
func inOrder(lists []storage.Listing) []storage.Listing {
	byName := func(a, b storage.Listing) int { return cmp.Compare(a.List, b.List) }
	if !slices.IsSortedFunc(lists, byName) {
		lists = slices.SortedFunc(slices.Values(lists), byName)
	}
	return lists
}

// plain says that a name is written in JSON as it is.
func plain(name string) bool {
	for i := range len(name) {
		if b := name[i]; b < ' ' || b >= utf8.RuneSelf || b == '"' || b == '\\' || b == '<' || b == '>' || b == '&' {
			return false
		}
	}
	return true
}

// unpack gives the lists ordered by name.
func unpack(packed string) ([]storage.Listing, error) {
	if packed == "" {
		return nil, nil
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
