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
// the former; the same one again changes nothing. The actor is the seller's account, or
// the member of staff who enters it. It fails with a [*Faults], also when nobody is named,
// or the seller has 100 exclusions already.
func (s *Service) Exclude(ctx context.Context, e Exclusion, actor string, now time.Time) error {
	faults := &Faults{Kind: ErrRequest}
	faults.actor(actor)
	faults.instant("now", now)
	if err := faults.with(e.Validate()); err != nil {
		return err
	}
	document := exclusionDocument{e.ID, e.Products, e.Offers, e.Labels, newIntervalDocument(e.Interval)}
	return s.changeExclusions(ctx, e.Seller, "excluded", e.ID, actor, now, func(all []exclusionDocument, i int) ([]exclusionDocument, error) {
		switch {
		case i >= 0:
			all[i] = document
			return all, nil
		case len(all) >= maxExclusions:
			return nil, &Faults{ErrExclusion, []Fault{{"seller", fmt.Sprintf("%q has %d exclusions: take some back", e.Seller, len(all))}}}
		}
		return append(all, document), nil
	})
}

// Include takes an exclusion back. Taking back what is not there changes nothing. It
// fails with a [*Faults] when the seller, the exclusion's id or the actor is missing or
// too long.
func (s *Service) Include(ctx context.Context, seller, exclusion, actor string, now time.Time) error {
	faults := &Faults{Kind: ErrRequest}
	faults.id("seller", seller, false)
	faults.id("id", exclusion, false)
	faults.actor(actor)
	faults.instant("now", now)
	if err := faults.orNil(); err != nil {
		return err
	}
	return s.changeExclusions(ctx, seller, "included", exclusion, actor, now, func(all []exclusionDocument, i int) ([]exclusionDocument, error) {
		if i < 0 {
			return all, nil
		}
		return slices.Delete(all, i, i+1), nil
	})
}

// Exclusions gives what a seller keeps out of offers, the earlier ones first, those whose
// time is over too; none for a seller who keeps out nothing. It fails with a [*Faults] when
// the seller is missing or too long.
func (s *Service) Exclusions(ctx context.Context, seller string) ([]Exclusion, error) {
	faults := &Faults{Kind: ErrRequest}
	faults.id("seller", seller, false)
	if err := faults.orNil(); err != nil {
		return nil, err
	}
	docs, _, err := s.store.Get(ctx, []storage.Key{exclusionsKey(seller)})
	if err != nil || len(docs) == 0 {
		return nil, err
	}
	return exclusions(seller, &docs[0])
}

// changeExclusions hands over a copy of a seller's exclusions, and where the one of
// the id stands (-1: nowhere); it writes what comes back, if that is another.
func (s *Service) changeExclusions(ctx context.Context, seller, kind, id, actor string, now time.Time,
	change func(all []exclusionDocument, i int) ([]exclusionDocument, error),
) error {
	key := exclusionsKey(seller)
	_, err := do(ctx, s, now, func(ctx context.Context) (storage.Plan[struct{}], error) {
		return plan(ctx, s, now, []storage.Key{key}, func(w *work) (none struct{}, err error) {
			record := storage.Record[exclusionsBody]{Key: key}
			if doc := w.docs[key]; doc != nil {
				if record, err = sellerExclusions.Decode(*doc); err != nil {
					return none, err
				}
			}
			before := record.Value.Exclusions
			i := slices.IndexFunc(before, func(x exclusionDocument) bool { return x.ID == id })
			changed, err := change(slices.Clone(before), i)
			if err != nil || slices.EqualFunc(before, changed, exclusionDocument.equal) {
				return none, err
			}
			record.Value.Exclusions = changed
			put, err := sellerExclusions.Put(record, 0)
			w.puts = append(w.puts, put)
			w.entries = append(w.entries, ledger.Entry{
				ID: fmt.Sprintf("%s/%s/%d", kind, seller, record.Version), Kind: kind, At: now, Actor: actor,
				Subject: seller, Concerns: id,
			})
			return none, err
		})
	})
	return err
}

func (d exclusionDocument) equal(other exclusionDocument) bool {
	mine, others := d.interval(), other.interval()
	return d.ID == other.ID && mine.From.Equal(others.From) && mine.Until.Equal(others.Until) &&
		slices.Equal(d.Products, other.Products) && slices.Equal(d.Offers, other.Offers) && slices.Equal(d.Labels, other.Labels)
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

// sellersOf are the sellers of a cart's lines and deliveries, each once.
func sellersOf(c *Cart) []string {
	var ids []string
	for i := range c.Lines {
		if seller := c.Lines[i].Seller; seller != "" {
			ids = append(ids, seller)
		}
	}
	for _, s := range c.Shipping {
		if s.Seller != "" {
			ids = append(ids, s.Seller)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
