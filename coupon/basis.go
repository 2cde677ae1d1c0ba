package coupon

import (
	"maps"

	"github.com/vouch-go/vouch/storage"
)

// basis is what a quote rests on as its service has read it: enough to redeem the quote
// without reading anything again, on condition that nothing of it has changed since. A
// batch carries that condition in its checks, so that whoever keeps quotes for long
// loses an attempt and nothing else.
type basis struct {
	by         *offerCache                  // of the service that has read it
	docs       map[storage.Key]*storage.Doc // as read; nil: absent; of offers no body
	exclusions []Exclusion                  // of the cart's sellers
}

// maxBasis bounds how many documents are checked instead of read: a check of each is
// no cheaper than to read them all.
const maxBasis = 8

// newBasis is nil in a transaction of the caller's: when it is rolled back, what was
// read in it never was, and others may have the same versions.
func (s *Service) newBasis() *basis {
	if s.bound {
		return nil
	}
	return &basis{by: s.catalog, docs: make(map[storage.Key]*storage.Doc)}
}

// read notes what a quote was decided by.
func (b *basis) read(docs map[storage.Key]*storage.Doc, exclusions []Exclusion) {
	if b != nil {
		maps.Copy(b.docs, docs)
		b.exclusions = exclusions
	}
}

// offer notes at which version of its document an offer's status was read. Of two, one as
// an automatic offer and one for a coupon, the earlier counts: it is not there any more,
// so that the quote is redeemed by what is.
func (b *basis) offer(id string, document int64) {
	if b == nil || document == 0 {
		return
	}
	key := headKey(id)
	if before := b.docs[key]; before == nil || document < before.Version {
		b.docs[key] = &storage.Doc{Key: key, Version: document}
	}
}

// suffices gives the documents that redeeming the quote for an order rests on; nil when
// another service has made it, or one of them was not read. An order is taken to be new
// unless it was seen.
func (b *basis) suffices(s *Service, order string, q *Quote) map[storage.Key]*storage.Doc {
	if b == nil || b.by != s.catalog || b.docs[redemptionKey(order)] != nil {
		return nil
	}
	docs := map[storage.Key]*storage.Doc{redemptionKey(order): nil}
	for _, a := range q.Applied() {
		keys := []storage.Key{headKey(a.Offer)}
		if a.Coupon != "" {
			keys = append(keys, couponKey(a.Coupon))
		}
		for _, k := range keys {
			if docs[k] = b.docs[k]; docs[k] == nil {
				return nil
			}
		}
	}
	for _, seller := range sellersOf(&q.Cart) {
		doc, read := b.docs[exclusionsKey(seller)]
		if !read {
			return nil
		}
		docs[exclusionsKey(seller)] = doc
	}
	if len(docs) > maxBasis {
		return nil
	}
	return docs
}

// check makes the batch depend on all that was not read again.
func (w *work) check(docs map[storage.Key]*storage.Doc) {
	for k, doc := range docs {
		w.checks[k] = 0
		if doc != nil {
			w.checks[k] = doc.Version
		}
	}
}
