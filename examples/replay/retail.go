package main

import (
	"context"
	"fmt"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

func replayRetail(ctx context.Context, s *session, src source) (*report, error) {
	invoices, err := readInvoices(src)
	if err != nil {
		return nil, err
	}
	r := &report{title: "ukretail: a year of a gift shop (GBP)"}
	store, err := s.stores.open(ctx, "ukretail", append(coupon.Views(), ledger.Views()...)...)
	if err != nil {
		return nil, err
	}
	shop := &shop{
		books:      books{store: store, coupons: coupon.New(store, coupon.Options{}), currency: gbp("0").Currency()},
		returnable: newReturnable(),
	}
	s.progress.start("ukretail: invoices", len(invoices))
	for _, v := range invoices {
		if err := shop.book(ctx, v); err != nil {
			return nil, fmt.Errorf("invoice %s: %w", v.id, err)
		}
		s.progress.step()
	}
	s.progress.end()
	shop.tell(r, len(invoices))
	return r, shop.close(ctx, s, "ukretail", r, func(ctx context.Context, store storage.Store) (ledger.AuditReport, error) {
		return coupon.Audit(ctx, store)
	})
}

// shop is the gift shop at work, and what it counts.
type shop struct {
	books
	returnable *returnable

	guests, writtenOff, adjustments int
	credits, unmatched, partly      int   // credits; of these, those that match nothing, and those that match in part
	found, missing                  int64 // units of credits
}

func (s *shop) book(ctx context.Context, v *invoice) error {
	switch v.kind {
	case "sale":
		cart, sold := v.cart()
		if !sold {
			s.writtenOff++
			return nil
		}
		if v.customer == "" {
			s.guests++
		}
		s.returnable.sell(v, &cart)
		return s.sell(ctx, v, cart)
	case "credit":
		return s.credit(ctx, v)
	case "adjustment":
		s.adjustments++
		return nil
	}
	return fmt.Errorf("kind %q is not sale, credit or adjustment", v.kind)
}

func (s *shop) sell(ctx context.Context, v *invoice, cart coupon.Cart) error {
	quote, err := s.coupons.Quote(ctx, cart, coupon.Choice{}, v.at)
	if err != nil {
		return err
	}
	redeemed, err := s.coupons.Redeem(ctx, v.id, quote, v.at)
	if err != nil {
		return err
	}
	s.confirmed(redeemed)
	return nil
}

func (s *shop) credit(ctx context.Context, v *invoice) error {
	refunds, found, missing := s.returnable.match(v)
	s.credits++
	s.found += found
	s.missing += missing
	switch {
	case found == 0:
		s.unmatched++
	case missing > 0:
		s.partly++
	}
	for _, r := range refunds {
		refund, err := s.coupons.Refund(ctx, r.order, r.request, v.at)
		if err != nil {
			return err
		}
		s.refunded(refund)
	}
	return nil
}

func (s *shop) tell(r *report, invoices int) {
	r.section("Invoices")
	r.line("invoices", invoices)
	r.line("sales", len(s.orders))
	r.line("  to guests", s.guests)
	r.line("write-offs of stock", s.writtenOff)
	r.line("adjustments of the books, passed over", s.adjustments)
	r.line("credits", s.credits)
	check(r, "accounted for", len(s.orders)+s.writtenOff+s.adjustments+s.credits, invoices)
	r.section("Credits")
	r.line("matched in full", s.credits-s.unmatched-s.partly)
	r.line("matched in part", s.partly)
	r.line("not matched", s.unmatched)
	r.line("units matched", int(s.found))
	r.line("units not matched", int(s.missing))
}
