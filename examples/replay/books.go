package main

import (
	"bytes"
	"context"
	"io"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// books is what a replay itself notes of its orders, to be compared at the end
// with what the store says.
type books struct {
	store    storage.Store
	coupons  *coupon.Service
	currency ledger.Currency
	payers   []ledger.Account // who fund discounts; nil: the platform alone

	orders []string // those confirmed
	given  int64    // what offers took off, minor units
	back   int64    // of that, what refunds took back
}

func (b *books) confirmed(r coupon.Redemption) {
	b.orders = append(b.orders, r.Order)
	b.given += r.Discount.Minor()
}

func (b *books) refunded(r coupon.Refund) { b.back += r.Discount.Minor() }

// close compares the sums of quotes, lines and ledger, audits everything and
// exports the book.
func (b *books) close(ctx context.Context, s *session, set string, r *report, audit func(context.Context, storage.Store) (ledger.AuditReport, error)) error {
	r.section("Books")
	lines, err := b.sumLines(ctx, s.progress)
	if err != nil {
		return err
	}
	given, back, err := b.sumLedger(ctx)
	if err != nil {
		return err
	}
	money := func(minor int64) ledger.Money { return ledger.Minor(minor, b.currency) }
	r.line("discounts as confirmed", money(b.given))
	check(r, "  summed over lines", money(lines), money(b.given))
	check(r, "  in the ledger", money(given), money(b.given))
	r.line("discounts taken back by refunds", money(b.back))
	check(r, "  in the ledger", money(back), money(b.back))

	s.progress.start(set+": audit", 1)
	audited, err := audit(ctx, b.store)
	if err != nil {
		return err
	}
	s.progress.end()
	r.line("entries audited", audited.Entries)
	if audited.Counters > 0 {
		r.line("counters of limits audited", audited.Counters)
	}
	check(r, "discrepancies found by the audit", len(audited.Discrepancies)+len(audited.Unsettled), 0)
	if err := audited.Err(); err != nil {
		r.broken = append(r.broken, err.Error())
		r.rule("%v", err)
	}
	return b.export(ctx, s, set, r)
}

// sumLines reads every confirmed order again and sums what came off its lines.
func (b *books) sumLines(ctx context.Context, p *progress) (int64, error) {
	p.start("reading the orders again", len(b.orders))
	defer p.end()
	var sum int64
	for _, order := range b.orders {
		r, err := b.coupons.Redemption(ctx, order)
		if err != nil {
			return 0, err
		}
		for _, line := range r.Lines {
			sum += line.Price.Minor() - line.Total.Minor()
		}
		p.step()
	}
	return sum, nil
}

// sumLedger sums what the ledger says those who fund discounts paid, and what came
// back to them.
func (b *books) sumLedger(ctx context.Context) (given, back int64, err error) {
	payers := b.payers
	if payers == nil {
		payers = []ledger.Account{coupon.PlatformAccount}
	}
	for _, payer := range payers {
		paid, returned, err := b.sumAccount(ctx, payer)
		if err != nil {
			return 0, 0, err
		}
		given, back = given+paid, back+returned
	}
	return given, back, nil
}

func (b *books) sumAccount(ctx context.Context, account ledger.Account) (out, in int64, err error) {
	book := ledger.New(b.store, ledger.Options{})
	query := ledger.StatementQuery{Limit: 1000}
	for {
		page, err := book.Statement(ctx, account, query)
		if err != nil {
			return 0, 0, err
		}
		for _, line := range page.Lines {
			if amount := line.Amount.Minor(); amount < 0 {
				out -= amount
			} else {
				in += amount
			}
		}
		if page.Next == "" {
			return out, in, nil
		}
		query.After = page.Next
	}
}

// export writes the book as a plain-text accounting journal, which `hledger check`
// reads.
func (b *books) export(ctx context.Context, s *session, set string, r *report) (err error) {
	counted := &lineCounter{to: io.Discard}
	remark := "not kept; name a file with -journal"
	if s.journal != nil {
		file, err := s.journal(set)
		if err != nil {
			return err
		}
		defer func() {
			if closing := file.Close(); err == nil {
				err = closing
			}
		}()
		counted.to, remark = file, ""
	}
	if err := ledger.Journal(ctx, b.store, counted); err != nil {
		return err
	}
	r.line("journal exported, lines", counted.lines, remark)
	return nil
}

// lineCounter counts the lines that pass through it.
type lineCounter struct {
	to    io.Writer
	lines int
}

func (c *lineCounter) Write(p []byte) (int, error) {
	c.lines += bytes.Count(p, []byte("\n"))
	return c.to.Write(p)
}
