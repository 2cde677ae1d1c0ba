package coupon

import (
	"maps"
	"slices"

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

// suffices gives the documents that redeeming the quote for an order rests on; none when
// another service has made it, or one of them was not read. An order is taken to be new
// unless it was seen.
func (b *basis) suffices(s *Service, order string, q *Quote) []known {
	if b == nil || b.by != s.catalog || b.docs[redemptionKey(order)] != nil {
		return nil
	}
	most := 1 + 2*len(q.outcome.applied) + len(q.Cart.Lines) + len(q.Cart.Shipping)
	docs := append(make([]known, 0, min(maxBasis, most)), known{key: redemptionKey(order)})
	take := func(k storage.Key, absent bool) (suffices bool) {
		if slices.ContainsFunc(docs, func(d known) bool { return d.key == k }) {
			return true
		}
		doc, read := b.docs[k]
		if doc == nil && !(read && absent) || len(docs) == maxBasis {
			return false
		}
		docs = append(docs, known{k, doc})
		return true
	}
	for i := range q.outcome.applied {
		a := &q.outcome.applied[i]
		if !take(headKey(a.Version.offer.ID), false) || a.couponID() != "" && !take(couponKey(a.couponID()), false) {
			return nil
		}
	}
	for i := range q.Cart.Lines {
		if seller := q.Cart.Lines[i].Seller; seller != "" && !take(exclusionsKey(seller), true) {
			return nil
		}
	}
	for i := range q.Cart.Shipping {
		if seller := q.Cart.Shipping[i].Seller; seller != "" && !take(exclusionsKey(seller), true) {
			return nil
		}
	}
	return docs
}

// restOn takes documents for what is there, and makes the batch depend on that.
func (w *work) restOn(docs []known) {
	w.given = docs
	w.checks.grow(len(docs))
	for _, d := range docs {
		version := int64(0)
		if d.doc != nil {
			version = d.doc.Version
		}
		w.checks.set(d.key, version)
	}
}
