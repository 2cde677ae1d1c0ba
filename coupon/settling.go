package coupon

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
)

const payable = "payable/"

// SalesAccount is the account that what sellers are owed comes out of.
const SalesAccount ledger.Account = "sales/orders"

// PayableAccount is the account of what a seller is owed for its goods and
// deliveries, where [Options].Settle books it: their prices, less what the seller
// itself funds of offers and goodwill. Book fees and payouts from it to accounts of
// your own, and they stand in the seller's statement.
func PayableAccount(seller string) ledger.Account {
	return ledger.Account(payable + accountPart(seller))
}

// StatementKind says what a line of a statement is.
type StatementKind string

// What a line of a statement is.
const (
	StatementSold     StatementKind = "sold"     // an order was confirmed
	StatementRefunded StatementKind = "refunded" // units came back, and discounts on what is kept may have been clawed back
	StatementGoodwill StatementKind = "goodwill" // the seller paid for goodwill
	StatementBooked   StatementKind = "booked"   // the shop's own entry: a fee, a payout
)

// Statement is a page of what a seller is owed, in time order.
type Statement struct {
	Seller  string
	Opening []ledger.Money // before the first line, by currency
	Lines   []StatementLine
	Closing []ledger.Money // after the last line
	Next    string         // ask for the next page with it; empty: this was the last
}

// StatementLine is one thing that changed what a seller is owed.
type StatementLine struct {
	At      time.Time
	Kind    StatementKind
	Entry   string // the id of the book's entry
	Order   string // empty: the shop's own entry
	Refund  string // the id of the refund; empty: there is none
	Items   []StatementItem
	Amount  ledger.Money // its items', less Goodwill; below 0: the seller is owed less
	Balance ledger.Money // after the line

	// Goodwill is what the seller pays of a goodwill amount; below 0: what it gets
	// back, because the goods came back after all.
	Goodwill ledger.Money
}

// StatementItem is one line of an order, or a delivery, or the change of one: of what
// came back, units and amounts are below 0.
type StatementItem struct {
	ID           string
	Delivery     bool
	Product      string
	Units        int64
	Price        ledger.Money // before offers
	SellerFunded ledger.Money // of what offers take off, what the seller pays: it lowers what the seller is owed
	OthersFunded ledger.Money // what others pay: it lowers what the shopper pays, and not what the seller is owed
	Amount       ledger.Money // Price less SellerFunded
}

// settledBody is what a seller has of one line or delivery, or a change of it.
type settledBody struct {
	ID       string `json:"id"`
	Delivery bool   `json:"delivery,omitempty"`
	Units    int64  `json:"units,omitempty"`
	Price    int64  `json:"price,omitempty"`
	Own      int64  `json:"own,omitempty"`    // funded by the seller
	Others   int64  `json:"others,omitempty"` // funded by others
	seller   string
}

// positions are what sellers have of the lines and deliveries as they are kept now.
func (b *redemptionBody) positions() []settledBody {
	var all []settledBody
	for i := range b.Lines {
		l := &b.Lines[i]
		if l.Seller == "" {
			continue
		}
		own, p := b.ownPayer(l.Seller), settledBody{ID: l.ID, seller: l.Seller}
		for j := range l.Parts {
			p.keep(&l.Parts[j], own)
		}
		all = append(all, p)
	}
	for i := range b.Deliveries {
		d := &b.Deliveries[i]
		if d.Seller == "" {
			continue
		}
		p := settledBody{ID: d.ID, Delivery: true, seller: d.Seller}
		if part := (partBody{Units: 1, Price: d.Price, Off: d.Off}); !d.Returned {
			p.keep(&part, b.ownPayer(d.Seller))
		}
		all = append(all, p)
	}
	return all
}

// settledPositions are the positions of an order that is settled.
func (b *redemptionBody) settledPositions() []settledBody {
	if !b.Settled {
		return nil
	}
	return b.positions()
}

// ownPayer is the place of a seller among the payers, -1 when it pays for nothing.
func (b *redemptionBody) ownPayer(seller string) int {
	return slices.Index(b.Payers, Seller+"/"+accountPart(seller))
}

// keep adds the units of a part that are kept.
func (s *settledBody) keep(p *partBody, own int) {
	kept := func(amount int64) int64 { return amount - firstUnits(amount, p.Units, p.Returned) }
	s.Units += p.Units - p.Returned
	s.Price += kept(p.Price)
	rest := p.Price
	for _, o := range p.Off {
		off := kept(rest) - kept(rest-o.Amount)
		rest -= o.Amount
		if o.Payer == own {
			s.Own += off
		} else {
			s.Others += off
		}
	}
}

func (s *settledBody) plus(o *settledBody, sign int64) {
	s.Units += sign * o.Units
	s.Price += sign * o.Price
	s.Own += sign * o.Own
	s.Others += sign * o.Others
}

// changes are what became of positions, those that did change.
func changes(before, after []settledBody) []settledBody {
	var all []settledBody
	for i, p := range after {
		p.plus(&before[i], -1)
		if p.Units != 0 || p.Price != 0 || p.Own != 0 || p.Others != 0 {
			all = append(all, p)
		}
	}
	return all
}

// settleStep is how many sellers one entry is about: an entry has at most
// [ledger.MaxTransfers].
const settleStep = 400

// settle books what a change means for what sellers are owed.
func (w *work) settle(b *redemptionBody, what, kind string, changed []settledBody, funded []fundedBody) {
	owed := make(map[ledger.Account]int64)
	for _, c := range changed {
		owed[PayableAccount(c.seller)] += c.Price - c.Own
	}
	for _, f := range funded {
		if seller, is := strings.CutPrefix(b.Payers[f.Payer], Seller+"/"); is {
			owed[ledger.Account(payable+seller)] -= f.Amount
		}
	}
	maps.DeleteFunc(owed, func(_ ledger.Account, amount int64) bool { return amount == 0 })
	step := 0
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(owed)), settleStep) {
		step++
		entry := ledger.Entry{ID: settledEntry(b.Order, what, step), Kind: kind, At: w.now, Subject: b.Customer, Concerns: b.Order}
		for _, account := range chunk {
			t := ledger.Transfer{From: SalesAccount, To: account, Amount: ledger.Minor(owed[account], b.Currency)}
			if owed[account] < 0 {
				t.From, t.To, t.Amount = t.To, t.From, ledger.Minor(-owed[account], b.Currency)
			}
			entry.Transfers = append(entry.Transfers, t)
		}
		w.entries = append(w.entries, entry)
	}
}

// settledEntry names an entry for sellers: of the sale, or of a refund by its number
// from 1.
func settledEntry(order, what string, step int) string {
	return fmt.Sprintf("order/%s/settled/%s/%d", order, what, step)
}

const saleStep = "sale"

// settledBy says which refund of an order an entry settles, 0 for the sale; false for
// entries that settle none.
func settledBy(entry *ledger.Entry) (refund int, is bool) {
	rest, is := strings.CutPrefix(entry.ID, "order/"+entry.Concerns+"/settled/")
	if !is || entry.Concerns == "" {
		return 0, false
	}
	what, _, _ := strings.Cut(rest, "/")
	if what == saleStep {
		return 0, true
	}
	refund, err := strconv.Atoi(what)
	return refund, err == nil && refund > 0
}

// Statement is a seller's settlement for a period: order by order what the seller is
// owed for each line and delivery, what returns take back, what it pays for goodwill,
// and what the shop has booked itself; with the balances before and after. An order
// or return that leaves the seller's balance as it is, such as a line that the seller
// itself gives away, has no line: the book keeps amounts above 0. It pages as
// [ledger.Book.Statement] does.
//
// It fails with [ErrState] without [Options].Settle, with a [*Faults] when the seller
// is missing, and with [ledger.ErrInvalid] when the query is not valid.
func (s *Service) Statement(ctx context.Context, seller string, q ledger.StatementQuery) (Statement, error) {
	faults := &Faults{Kind: ErrRequest}
	if faults.id("seller", seller, false); len(faults.Faults) > 0 {
		return Statement{}, faults
	}
	if !s.options.Settle {
		return Statement{}, fmt.Errorf("%w: what sellers are owed is booked only with Options.Settle", ErrState)
	}
	page, err := s.book().Statement(ctx, PayableAccount(seller), q)
	if err != nil {
		return Statement{}, err
	}
	orders, err := s.settledOrders(ctx, page.Lines)
	if err != nil {
		return Statement{}, err
	}
	statement := Statement{Seller: seller, Opening: page.Opening, Closing: page.Closing, Next: page.Next}
	for i := range page.Lines {
		l := &page.Lines[i]
		line := StatementLine{
			At: l.Entry.At, Kind: StatementBooked, Entry: l.Entry.ID, Amount: l.Amount, Balance: l.Balance, Goodwill: ledger.Minor(0, l.Amount.Currency()),
		}
		if refund, is := settledBy(&l.Entry); is {
			b := orders[l.Entry.Concerns]
			if b == nil || refund > len(b.Refunds) {
				return statement, fmt.Errorf("%w: entry %q settles an order that is not there", storage.ErrCorrupt, l.Entry.ID)
			}
			b.state(&line, seller, refund)
		}
		statement.Lines = append(statement.Lines, line)
	}
	return statement, nil
}

// settledOrders reads the orders that the lines are about.
func (s *Service) settledOrders(ctx context.Context, lines []ledger.Line) (map[string]*redemptionBody, error) {
	var keys []storage.Key
	for i := range lines {
		if _, is := settledBy(&lines[i].Entry); is {
			keys = append(keys, redemptionKey(lines[i].Entry.Concerns))
		}
	}
	docs := make(map[storage.Key]*storage.Doc)
	if err := s.get(ctx, docs, unique(keys)); err != nil {
		return nil, err
	}
	orders := make(map[string]*redemptionBody)
	for key, doc := range docs {
		if doc == nil {
			continue
		}
		record, err := redemptions.Decode(*doc)
		if err != nil {
			return nil, err
		}
		orders[key.ID] = &record.Value
	}
	return orders, nil
}

// state says what a line of a seller's statement is made of: the sale, or a refund by
// its number from 1.
func (b *redemptionBody) state(line *StatementLine, seller string, refund int) {
	line.Order = b.Order
	changed := b.sale()
	line.Kind = StatementSold
	if refund > 0 {
		r := &b.Refunds[refund-1]
		line.Refund, line.Kind, changed = r.ID, StatementRefunded, r.Settled
		if len(r.Lines)+len(r.Deliveries) == 0 {
			line.Kind = StatementGoodwill
		}
		for _, f := range r.Funded {
			if f.Payer == b.ownPayer(seller) {
				line.Goodwill = ledger.Minor(line.Goodwill.Minor()+f.Amount, b.Currency)
			}
		}
	}
	for _, c := range changed {
		if product, of := b.sold(&c); of == seller {
			line.Items = append(line.Items, b.item(&c, product))
		}
	}
}

// sale is what sellers had when the order was confirmed: what they have now, less
// what refunds have changed.
func (b *redemptionBody) sale() []settledBody {
	all := b.positions()
	for _, r := range b.Refunds {
		for _, c := range r.Settled {
			i := slices.IndexFunc(all, func(p settledBody) bool { return p.ID == c.ID && p.Delivery == c.Delivery })
			if i >= 0 {
				all[i].plus(&c, -1)
			}
		}
	}
	return all
}

// sold gives the product and the seller of what a change is about.
func (b *redemptionBody) sold(c *settledBody) (product, seller string) {
	if c.Delivery {
		i := slices.IndexFunc(b.Deliveries, func(d deliveryBody) bool { return d.ID == c.ID })
		if i < 0 {
			return "", ""
		}
		return "", b.Deliveries[i].Seller
	}
	i := slices.IndexFunc(b.Lines, func(l lineBody) bool { return l.ID == c.ID })
	if i < 0 {
		return "", ""
	}
	return b.Lines[i].Product, b.Lines[i].Seller
}

func (b *redemptionBody) item(c *settledBody, product string) StatementItem {
	money := func(minor int64) ledger.Money { return ledger.Minor(minor, b.Currency) }
	return StatementItem{
		ID: c.ID, Delivery: c.Delivery, Product: product, Units: c.Units,
		Price: money(c.Price), SellerFunded: money(c.Own), OthersFunded: money(c.Others), Amount: money(c.Price - c.Own),
	}
}
