package storage_test

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// A cap is an Add with a bound: no lock, no count, and the one too many is told.
func Example_cap() {
	ctx, store := context.Background(), memory.New()
	for friend := range 3 {
		err := store.Apply(ctx, storage.Batch{
			Adds: []storage.Add{{Counter: "program/invite/jane", Delta: 1, Max: 2}},
		})
		fmt.Println(friend+1, errors.Is(err, storage.ErrLimit))
	}
	_, counters, _ := store.Get(ctx, nil, "program/invite/jane")
	fmt.Println("counted:", counters["program/invite/jane"])
	// Output:
	// 1 false
	// 2 false
	// 3 true
	// counted: 2
}

// "Order paid" confirms a redemption and books it, together or not at all.
func ExampleJoin() {
	confirm := storage.Batch{
		Puts: []storage.Put{{Key: storage.Key{Kind: "redemption", ID: "A-1"}, Version: 1, Body: []byte(`{"format":1}`)}},
		Adds: []storage.Add{{Counter: "budget", Delta: 500, Max: 1000}},
	}
	reward := storage.Batch{
		Checks: []storage.Check{{Key: storage.Key{Kind: "redemption", ID: "A-1"}, Version: 1}},
		Adds:   []storage.Add{{Counter: "budget", Delta: 300, Max: 900}},
	}
	joined, err := storage.Join(confirm, reward)
	fmt.Println(len(joined.Checks), len(joined.Puts), joined.Adds[0].Delta, joined.Adds[0].Max, err)

	_, err = storage.Join(confirm, confirm)
	fmt.Println(err)
	// Output:
	// 0 1 800 900 <nil>
	// storage: invalid call: join: document redemption/A-1 is written twice
}

func ExamplePrefixed() {
	ctx, shared := context.Background(), memory.New()
	north, south := storage.Prefixed(shared, "north/"), storage.Prefixed(shared, "south/")
	order := storage.Put{Key: storage.Key{Kind: "order", ID: "1"}, Body: []byte(`{}`)}
	fmt.Println(north.Apply(ctx, storage.Batch{Puts: []storage.Put{order}}))
	fmt.Println(south.Apply(ctx, storage.Batch{Puts: []storage.Put{order}}))
	page, _ := shared.List(ctx, storage.Query{Kind: "north/order"})
	fmt.Println(len(page.Docs), page.Docs[0].Key)
	// Output:
	// <nil>
	// <nil>
	// 1 north/order/1
}

// An older release changes a document of a newer one, and loses nothing of it.
func ExampleCodec() {
	type coupon struct {
		Code string `json:"code"`
		Used bool   `json:"used"`
	}
	codec := storage.NewCodec[coupon](1)
	record, err := codec.Decode(storage.Doc{
		Key:     storage.Key{Kind: "coupon", ID: "7"},
		Version: 4,
		Body:    []byte(`{"format":1,"code":"JANE","used":false,"colour":"blue"}`),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	record.Value.Used = true
	put, err := codec.Put(record, 0)
	fmt.Println(put.Version, string(put.Body), err)
	// Output:
	// 4 {"format":1,"code":"JANE","used":true,"colour":"blue"} <nil>
}

func ExampleAdd_After() {
	fmt.Println(storage.Add{Delta: 2, Max: 5}.After(3))
	fmt.Println(storage.Add{Delta: 2, Max: 5}.After(4))
	fmt.Println(storage.Add{Delta: 1, Min: math.MinInt64, Max: math.MaxInt64}.After(math.MaxInt64))
	// Output:
	// 5 true
	// 4 false
	// 9223372036854775807 false
}

// A due listing is a queue: what wants attention by now, the oldest first.
func ExampleStore_due() {
	ctx := context.Background()
	var store storage.Store = memory.New()
	for id, due := range map[string]int64{"hold-1": 30, "hold-2": 10, "hold-3": 0} {
		put := storage.Put{Key: storage.Key{Kind: "hold", ID: id}, Due: due, Body: []byte(`{}`)}
		if err := store.Apply(ctx, storage.Batch{Puts: []storage.Put{put}}); err != nil {
			fmt.Println(err)
		}
	}
	page, _ := store.List(ctx, storage.Query{Kind: "hold", DueBefore: 31})
	for _, doc := range page.Docs {
		fmt.Println(doc.Key.ID, doc.Due)
	}
	// Output:
	// hold-2 10
	// hold-1 30
}
