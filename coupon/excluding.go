package coupon

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// exclusionsBody holds all exclusions of one seller, so that a quote reads one
// document per seller in the cart.
type exclusionsBody struct {
	Exclusions []exclusionDocument `json:"exclusions"`
}

type exclusionDocument struct {
	ID       string   `json:"id"`
	Products []string `json:"products,omitempty"`
	Offers   []string `json:"offers,omitempty"`
	Labels   []string `json:"labels,omitempty"`
	intervalDocument
}

var sellerExclusions = storage.NewCodec[exclusionsBody](1)

func exclusionsKey(seller string) storage.Key { return storage.Key{Kind: kindExclusions, ID: seller} }

// Exclude takes a seller's products out of offers. One of the same id replaces
// the former. It fails with a [*Faults], also when the seller has 100 exclusions
// already.
func (s *Service) Exclude(ctx context.Context, e Exclusion, actor string, now time.Time) error {
	if err := e.Validate(); err != nil {
		return err
	}
	return s.changeExclusions(ctx, e.Seller, "excluded", e.ID, actor, now, func(all []exclusionDocument) ([]exclusionDocument, error) {
		if len(all) >= maxExclusions {
			return nil, &Faults{ErrExclusion, []Fault{{"seller", fmt.Sprintf("%q has %d exclusions: take some back", e.Seller, len(all))}}}
		}
		return append(all, exclusionDocument{e.ID, e.Products, e.Offers, e.Labels, newIntervalDocument(e.Interval)}), nil
	})
}

// Include takes an exclusion back. Taking back what is not there changes nothing.
func (s *Service) Include(ctx context.Context, seller, exclusion, actor string, now time.Time) error {
	return s.changeExclusions(ctx, seller, "included", exclusion, actor, now, func(all []exclusionDocument) ([]exclusionDocument, error) {
		return all, nil
	})
}

// changeExclusions hands over a seller's exclusions less the one of the id.
func (s *Service) changeExclusions(ctx context.Context, seller, kind, id, actor string, now time.Time,
	change func([]exclusionDocument) ([]exclusionDocument, error),
) error {
	key := exclusionsKey(seller)
	_, err := do(ctx, s, now, func(ctx context.Context) (storage.Plan[struct{}], error) {
		return plan(ctx, s, now, []storage.Key{key}, func(w *work) (struct{}, error) {
			record := storage.Record[exclusionsBody]{Key: key}
			if doc := w.docs[key]; doc != nil {
				decoded, err := sellerExclusions.Decode(*doc)
				if err != nil {
					return struct{}{}, err
				}
				record = decoded
			}
			others := slices.DeleteFunc(slices.Clone(record.Value.Exclusions), func(x exclusionDocument) bool { return x.ID == id })
			if kind == "included" && len(others) == len(record.Value.Exclusions) {
				return struct{}{}, nil
			}
			changed, err := change(others)
			if err != nil {
				return struct{}{}, err
			}
			record.Value.Exclusions = changed
			put, err := sellerExclusions.Put(record, 0)
			w.puts = append(w.puts, put)
			w.entries = append(w.entries, ledger.Entry{
				ID: fmt.Sprintf("%s/%s/%d", kind, seller, record.Version), Kind: kind, At: now, Actor: actor,
				Subject: seller, Concerns: id,
			})
			return struct{}{}, err
		})
	})
	return err
}

// exclusions reads those of a document; nil has none.
func exclusions(seller string, doc *storage.Doc) ([]Exclusion, error) {
	if doc == nil {
		return nil, nil
	}
	record, err := sellerExclusions.Decode(*doc)
	if err != nil {
		return nil, err
	}
	var all []Exclusion
	for _, d := range record.Value.Exclusions {
		all = append(all, Exclusion{d.ID, seller, d.Products, d.Offers, d.Labels, d.interval()})
	}
	return all, nil
}

// sellersOf are the sellers of a cart's lines, each once.
func sellersOf(c *Cart) []string {
	var ids []string
	for i := range c.Lines {
		if seller := c.Lines[i].Seller; seller != "" {
			ids = append(ids, seller)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
