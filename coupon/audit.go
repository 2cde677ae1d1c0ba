package coupon

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

// The findings of [Audit], beside those of the ledger.
const (
	FoundSums   ledger.Finding = "redemption sums" // lines, offers and totals of a redemption do not add up
	FoundUse    ledger.Finding = "coupon use"      // a coupon and a redemption disagree about a use
	FoundBooked ledger.Finding = "booked discount" // the book says another discount than the redemption
	FoundOwed   ledger.Finding = "owed to sellers" // the book owes the sellers of an order something else
	FoundTender ledger.Finding = "tender"          // the book says that other credit paid for an order
	FoundStock  ledger.Finding = "stock"           // a load, its codes, and what is said to be left of a stock disagree, or two coupons have one code
)

// Kinds are the kinds of documents that hold claims, for [ledger.Audit].
func Kinds() []string { return []string{kindRedemption, kindOpening} }

// Audit checks what is kept of coupons and redemptions against itself and against
// the book: everything [ledger.Audit] checks, for redemptions; that the lines,
// offers and totals of each redemption add up; that each coupon that somebody
// holds is used by exactly the orders that say so, and not more often than it may
// be; that the book says the same discounts and refunds, and that credit is held
// or taken for orders as they say; and that each code of a stock is left, given to one
// coupon or withdrawn. Extra kinds are passed on to ledger.Audit.
//
// On a quiet store its report is exact. While others write, what looks wrong is
// read again until it stands still.
//
// Audit takes no counter for discarded; when old ones are pruned, use [AuditAt].
func Audit(ctx context.Context, store storage.Store, kinds ...string) (ledger.AuditReport, error) {
	return AuditAt(ctx, store, time.Unix(0, 0), kinds...)
}

// AuditAt is Audit where counters have been pruned up to the instant, as
// [ledger.AuditAt] is.
func AuditAt(ctx context.Context, store storage.Store, pruned time.Time, kinds ...string) (ledger.AuditReport, error) {
	report, err := ledger.AuditAt(ctx, store, pruned, append(Kinds(), kinds...)...)
	if err != nil {
		return report, err
	}
	a := auditor{store: store, book: ledger.New(store, ledger.Options{Floors: floors}), stocked: make(map[string]bool)}
	for kind, check := range map[string]checker{kindRedemption: a.redemption, kindCoupon: a.coupon, kindOverride: a.override, kindStock: a.stockLoad, kindOpening: a.opening} {
		if err := a.each(ctx, kind, check); err != nil {
			return report, err
		}
	}
	for _, offer := range slices.Sorted(maps.Keys(a.stocked)) {
		if err := a.stock(ctx, offer); err != nil {
			return report, err
		}
	}
	slices.SortFunc(a.found, func(x, y ledger.Discrepancy) int { return cmp.Compare(x.Where, y.Where) })
	report.Documents += a.documents
	report.Discrepancies = append(report.Discrepancies, a.found...)
	return report, nil
}

type auditor struct {
	store     storage.Store
	book      *ledger.Book
	documents int
	found     []ledger.Discrepancy
	stocked   map[string]bool // offers that have a stock
}

// checker says what is wrong with a document, and which versions of which
// documents that rests on.
type checker func(ctx context.Context, doc storage.Doc) (wrong []ledger.Discrepancy, rests map[storage.Key]int64, err error)

func (a *auditor) each(ctx context.Context, kind string, check checker) error {
	query := storage.Query{Kind: kind, Limit: storage.MaxPage}
	for {
		page, err := a.store.List(ctx, query)
		if err != nil {
			return err
		}
		for _, doc := range page.Docs {
			a.documents++
			if err := a.one(ctx, doc, check); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		query.After = page.Next
	}
}

// one checks a document, and again while what it rests on still moves.
func (a *auditor) one(ctx context.Context, doc storage.Doc, check checker) error {
	var before map[storage.Key]int64
	for {
		wrong, rests, err := check(ctx, doc)
		if err != nil || len(wrong) == 0 {
			return err
		}
		if before != nil && sameVersions(before, rests) {
			a.found = append(a.found, wrong...)
			return nil
		}
		before = rests
		docs, _, err := a.store.Get(ctx, []storage.Key{doc.Key})
		if err != nil || len(docs) == 0 {
			return err
		}
		doc = docs[0]
	}
}

func sameVersions(a, b map[storage.Key]int64) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

func (a *auditor) read(ctx context.Context, doc storage.Doc, keys []storage.Key) (map[storage.Key]storage.Doc, map[storage.Key]int64, error) {
	rests := map[storage.Key]int64{doc.Key: doc.Version}
	found := make(map[storage.Key]storage.Doc)
	for chunk := range slices.Chunk(unique(keys), storage.MaxGet) {
		docs, _, err := a.store.Get(ctx, chunk)
		if err != nil {
			return nil, nil, err
		}
		for _, d := range docs {
			found[d.Key], rests[d.Key] = d, d.Version
		}
	}
	return found, rests, nil
}

func unreadable(doc storage.Doc, err error) ([]ledger.Discrepancy, map[storage.Key]int64, error) {
	wrong := ledger.Discrepancy{Finding: ledger.FoundUnreadable, Where: doc.Key.String(), Note: err.Error()}
	return []ledger.Discrepancy{wrong}, map[storage.Key]int64{doc.Key: doc.Version}, nil
}

func (a *auditor) redemption(ctx context.Context, doc storage.Doc) ([]ledger.Discrepancy, map[storage.Key]int64, error) {
	record, err := redemptions.Decode(doc)
	if err != nil {
		return unreadable(doc, err)
	}
	b := &record.Value
	found, rests, err := a.read(ctx, doc, couponKeys(b.held()))
	if err != nil {
		return nil, nil, err
	}
	wrong := b.checkSums()
	for _, id := range b.held() {
		uses := 0
		if c, err := coupons.Decode(found[couponKey(id)]); err == nil {
			for _, u := range c.Value.Used {
				if u.of(b.Order) {
					uses++
				}
			}
		}
		switch {
		case b.State.live() && uses != 1:
			wrong = append(wrong, ledger.Discrepancy{Finding: FoundUse, Where: b.Order, Found: int64(uses), Want: 1, Note: "coupon " + id})
		case (b.State == StateReleased || b.State == StateExpired) && uses != 0:
			wrong = append(wrong, ledger.Discrepancy{Finding: FoundUse, Where: b.Order, Found: int64(uses), Want: 0, Note: "coupon " + id})
		}
	}
	if !b.Settled && len(b.Applied)+len(b.Tender)+len(b.Refunds) == 0 {
		return wrong, rests, nil
	}
	booked, err := a.booked(ctx, b)
	if err != nil {
		return nil, nil, err
	}
	return append(wrong, b.checkBooked(booked)...), rests, nil
}

// booked is what the book has moved for an order.
type booked struct {
	payable    int64                     // owed to sellers
	promotions int64                     // paid for discounts and goodwill, less what was taken back
	tender     map[ledger.Currency]int64 // credit that paid for it
	held       map[ledger.Currency]int64 // credit that waits
}

func (a *auditor) booked(ctx context.Context, b *redemptionBody) (booked, error) {
	ids := []string{redeemedEntry(b.Order)}
	for i := range b.Refunds {
		ids = append(ids, refundedEntry(b.Order, i+1))
	}
	sums := booked{tender: make(map[ledger.Currency]int64), held: make(map[ledger.Currency]int64)}
	for _, id := range ids {
		for step, transfers := 0, entryStep; transfers == entryStep; step++ { // one that is not full is the last part
			var err error
			if transfers, err = a.sum(ctx, &sums, entryPart(id, step)); err != nil {
				return sums, err
			}
		}
	}
	var others []string // in one part
	if b.Settled {
		for step := range (len(b.Lines)+len(b.Deliveries))/settleStep + 1 {
			others = append(others, settledEntry(b.Order, saleStep, step+1))
			for i := range b.Refunds {
				others = append(others, settledEntry(b.Order, fmt.Sprint(i+1), step+1))
			}
		}
	}
	for _, id := range b.Holds {
		others = append(others, "hold/"+id, "hold-end/"+id)
	}
	for _, id := range others {
		if _, err := a.sum(ctx, &sums, id); err != nil {
			return sums, err
		}
	}
	return sums, nil
}

// sum adds up the transfers of an entry, which may not be there, and says how many it has.
func (a *auditor) sum(ctx context.Context, sums *booked, id string) (transfers int, err error) {
	entry, _, err := a.book.Entry(ctx, id)
	for _, t := range entry.Transfers {
		sums.add(t.To, t.Amount.Minor(), t.Amount.Currency())
		sums.add(t.From, -t.Amount.Minor(), t.Amount.Currency())
	}
	return len(entry.Transfers), err
}

func (s *booked) add(account ledger.Account, in int64, unit ledger.Currency) {
	switch {
	case strings.HasPrefix(string(account), promotions):
		s.promotions -= in
	case strings.HasPrefix(string(account), payable):
		s.payable += in
	case strings.HasPrefix(string(account), "held/"):
		s.held[unit] += in
	case account == TenderAccount:
		s.tender[unit] += in
	}
}

// owed is what the order's sellers are owed by now.
func (b *redemptionBody) owed() int64 {
	var sum int64
	for _, p := range b.settledPositions() {
		sum += p.Price - p.Own
	}
	if !b.Settled {
		return sum
	}
	for _, r := range b.Refunds {
		for _, f := range r.Funded {
			if strings.HasPrefix(b.Payers[f.Payer], Seller+"/") {
				sum -= f.Amount
			}
		}
	}
	return sum
}

// checkBooked compares what the book has moved with what the redemption says.
func (b *redemptionBody) checkBooked(found booked) []ledger.Discrepancy {
	var wrong []ledger.Discrepancy
	compare := func(finding ledger.Finding, found, want int64, note string) {
		if found != want {
			wrong = append(wrong, ledger.Discrepancy{Finding: finding, Where: b.Order, Found: found, Want: want, Note: note})
		}
	}
	var promotions int64
	if b.State.paid() {
		promotions = b.Discount
	}
	back := make([]tenderBody, len(b.Tender))
	for _, r := range b.Refunds {
		promotions -= r.Discount
		for _, f := range r.Funded {
			promotions += f.Amount
		}
		for _, t := range r.Tender {
			if t.Tender < 0 || t.Tender >= len(back) {
				compare(FoundTender, int64(t.Tender), int64(len(back)-1), "a refund to credit that paid nothing")
				continue
			}
			back[t.Tender].Back += t.Amount
			back[t.Tender].BackWorth += t.Worth
		}
	}
	compare(FoundBooked, found.promotions, promotions, "")
	compare(FoundOwed, found.payable, b.owed(), "")
	for i, t := range b.Tender {
		unit := t.Unit.Code()
		compare(FoundTender, t.Back, back[i].Back, unit+" returned")
		compare(FoundTender, t.BackWorth, back[i].BackWorth, unit+" returned, in worth")
		var spent, held int64
		switch {
		case b.State.paid():
			spent = t.Amount - t.Back
		case b.State == StateReserved:
			held = t.Amount
		}
		compare(FoundTender, found.tender[t.Unit], spent, unit+" spent")
		compare(FoundTender, found.held[t.Unit], held, unit+" held")
	}
	return wrong
}

// checkSums compares every sum that a redemption keeps with its parts.
func (b *redemptionBody) checkSums() []ledger.Discrepancy {
	var wrong []ledger.Discrepancy
	compare := func(what string, found, want int64) {
		if found != want {
			wrong = append(wrong, ledger.Discrepancy{Finding: FoundSums, Where: b.Order, Found: found, Want: want, Note: what})
		}
	}
	var subtotal, shipping, refunded, discount int64
	off := make([]int64, len(b.Applied))
	payments := b.payments()
	for _, paid := range payments.all() {
		if i := paid.key.applied; i >= 0 && i < len(off) {
			off[i] += paid.value
		}
	}
	for i := range b.Lines {
		line := &b.Lines[i]
		subtotal += line.Price
		var price, units int64
		for _, p := range line.Parts {
			price, units = price+p.Price, units+p.Units
			compare("a part of line "+line.ID+" below zero", min(p.total(), 0), 0)
			compare("returned units of line "+line.ID, p.Returned, min(max(p.Returned, 0), p.Units))
		}
		compare("parts of line "+line.ID, price, line.Price)
		compare("units of line "+line.ID, units, line.Quantity)
	}
	for i, a := range b.Applied {
		compare("lines of offer "+a.Offer, off[i], a.Amount-a.Clawed)
		discount += a.Amount
	}
	for _, d := range b.Deliveries {
		shipping += d.Price
		compare("delivery "+d.ID+" below zero", min(d.total(), 0), 0)
	}
	for _, r := range b.Refunds {
		refunded += r.Amount
	}
	compare("subtotal", b.Subtotal, subtotal)
	compare("discount", b.Discount, discount)
	compare("shipping", b.Shipping, shipping)
	compare("total", b.Total, subtotal-discount+shipping)
	compare("refunded", b.Refunded, refunded)
	compare("refunded beyond the total", b.Refunded, min(b.Refunded, b.Total))
	return wrong
}

func (a *auditor) coupon(ctx context.Context, doc storage.Doc) ([]ledger.Discrepancy, map[storage.Key]int64, error) {
	record, err := coupons.Decode(doc)
	if err != nil {
		return unreadable(doc, err)
	}
	b := &record.Value
	var keys []storage.Key
	for _, u := range b.Used {
		keys = append(keys, redemptionKey(u.Order))
		if u.Opening != "" {
			keys = append(keys, openingKey(u.Opening))
		}
	}
	code := storage.Key{Kind: kindCode, ID: b.Stocked}
	if b.Stocked != "" {
		keys = append(keys, code)
	}
	found, rests, err := a.read(ctx, doc, keys)
	if err != nil {
		return nil, nil, err
	}
	var wrong []ledger.Discrepancy
	if b.Stocked != "" {
		if c, err := codes.Decode(found[code]); err != nil || c.Value.Coupon != doc.Key.ID {
			wrong = append(wrong, ledger.Discrepancy{Finding: FoundStock, Where: doc.Key.ID, Note: fmt.Sprintf("its code from a stock is that of coupon %q", c.Value.Coupon)})
		}
	}
	if len(b.Used) > b.Uses {
		wrong = append(wrong, ledger.Discrepancy{Finding: FoundUse, Where: doc.Key.ID, Found: int64(len(b.Used)), Want: int64(b.Uses), Note: "more uses than allowed"})
	}
	for _, u := range b.Used {
		if u.Opening != "" {
			if o, err := openings.Decode(found[openingKey(u.Opening)]); err != nil || o.Value.Coupon != doc.Key.ID || o.Value.Order != u.Order {
				wrong = append(wrong, ledger.Discrepancy{Finding: FoundUse, Where: doc.Key.ID, Note: fmt.Sprintf("used by order %q of an older system, which was not imported", u.Order)})
			}
			continue
		}
		r, err := redemptions.Decode(found[redemptionKey(u.Order)])
		if err != nil || !slices.Contains(r.Value.held(), doc.Key.ID) || (r.Value.State == StateReserved) != (u.Until != 0) {
			wrong = append(wrong, ledger.Discrepancy{Finding: FoundUse, Where: doc.Key.ID, Note: fmt.Sprintf("used by order %q, whose redemption is %q", u.Order, r.Value.State)})
		}
	}
	return wrong, rests, nil
}

// opening checks that an imported use of a coupon that somebody holds stands in it.
func (a *auditor) opening(ctx context.Context, doc storage.Doc) ([]ledger.Discrepancy, map[storage.Key]int64, error) {
	record, err := openings.Decode(doc)
	if err != nil {
		return unreadable(doc, err)
	}
	b := &record.Value
	if b.Coupon == "" {
		return nil, nil, nil
	}
	found, rests, err := a.read(ctx, doc, couponKeys([]string{b.Coupon}))
	if err != nil {
		return nil, nil, err
	}
	c, err := coupons.Decode(found[couponKey(b.Coupon)])
	if err != nil || c.Value.Holder != "" && !slices.ContainsFunc(c.Value.Used, func(u useBody) bool { return u.Opening == doc.Key.ID }) {
		return []ledger.Discrepancy{{Finding: FoundUse, Where: b.Coupon, Note: fmt.Sprintf("order %q of an older system has used it, and it says nothing of that", b.Order)}}, rests, nil
	}
	return nil, nil, nil
}

// stockLoad checks that what became of the codes of a load adds up.
func (a *auditor) stockLoad(ctx context.Context, doc storage.Doc) ([]ledger.Discrepancy, map[storage.Key]int64, error) {
	record, err := stockLoads.Decode(doc)
	if err != nil {
		return unreadable(doc, err)
	}
	b, id := &record.Value, doc.Key.ID
	a.stocked[b.Offer] = true
	rests := map[storage.Key]int64{doc.Key: doc.Version}
	var wrong []ledger.Discrepancy
	compare := func(what string, found, want int64) {
		rests[storage.Key{Kind: what}] = found
		if found != want {
			wrong = append(wrong, ledger.Discrepancy{Finding: FoundStock, Where: id, Found: found, Want: want, Note: what})
		}
	}
	listed := make(map[string]int64)
	for _, list := range []string{leftList(id), givenList(id), withdrawnList(id)} {
		if listed[list], err = a.count(ctx, kindCode, list); err != nil {
			return nil, nil, err
		}
	}
	compare("codes of the load, left, given out and withdrawn", listed[leftList(id)]+listed[givenList(id)]+listed[withdrawnList(id)], int64(b.Loaded))
	compare("codes of the load that were withdrawn", listed[withdrawnList(id)], int64(b.Withdrawn))
	return wrong, rests, nil
}

// stock checks that what the counters of an offer say is left in its stock is there, and
// again while that still moves.
func (a *auditor) stock(ctx context.Context, offer string) error {
	type figures struct{ left, listed int64 }
	for before := (figures{-1, -1}); ; {
		_, counters, err := a.store.Get(ctx, nil, stockCounters(offer)...)
		if err != nil {
			return err
		}
		var now figures
		for _, n := range counters {
			now.left += n
		}
		if now.listed, err = a.count(ctx, kindCode, stockList(offer)); err != nil {
			return err
		}
		switch {
		case now.left == now.listed:
			return nil
		case now == before:
			a.found = append(a.found, ledger.Discrepancy{Finding: FoundStock, Where: offer, Found: now.left, Want: now.listed, Note: "codes left in the stock of the offer"})
			return nil
		}
		before = now
	}
}

// count is how many documents a list has.
func (a *auditor) count(ctx context.Context, kind, list string) (n int64, err error) {
	query := storage.Query{Kind: kind, List: list, Limit: storage.MaxPage}
	for more := true; more; more = query.After != "" {
		page, err := a.store.List(ctx, query)
		if err != nil {
			return 0, err
		}
		n += int64(len(page.Docs))
		query.After = page.Next
	}
	return n, nil
}

// override checks that what is used of an override is used by an order that says so.
func (a *auditor) override(ctx context.Context, doc storage.Doc) ([]ledger.Discrepancy, map[storage.Key]int64, error) {
	record, err := overrides.Decode(doc)
	if err != nil {
		return unreadable(doc, err)
	}
	var keys []storage.Key
	for _, g := range record.Value.Grants {
		if g.Order != "" {
			keys = append(keys, redemptionKey(g.Order))
		}
	}
	found, rests, err := a.read(ctx, doc, keys)
	if err != nil {
		return nil, nil, err
	}
	var wrong []ledger.Discrepancy
	for _, g := range record.Value.Grants {
		if g.Order == "" {
			continue
		}
		r, err := redemptions.Decode(found[redemptionKey(g.Order)])
		rests := slices.ContainsFunc(r.Value.Applied, func(a appliedBody) bool {
			return a.Override != nil && *a.Override == overrideUse{doc.Key.ID, g.ID}
		})
		if err != nil || !rests || r.Value.State == StateReleased || r.Value.State == StateExpired {
			wrong = append(wrong, ledger.Discrepancy{Finding: FoundUse, Where: g.ID, Note: fmt.Sprintf("override used by order %q, whose redemption is %q", g.Order, r.Value.State)})
		}
	}
	return wrong, rests, nil
}
