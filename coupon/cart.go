package coupon

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vouch-go/vouch/coupon/strict"
	"github.com/vouch-go/vouch/ledger"
)

// Limits of a cart. A cart beyond one of them is refused with [ErrCart].
const (
	MaxLines      = 10_000    // lines of goods, and as many of shipping
	MaxQuantity   = 1_000_000 // units in a line
	MaxTotal      = 1 << 53   // minor units of a whole cart: exact in every language that may read it
	MaxKey        = 100       // bytes of an id that the shop gives: line, product, seller, customer, order, …
	maxAttributes = 50
	maxNames      = 1_000 // categories or tags of a line, segments of a customer
)

// Cart is what a shopper is about to buy, as the shop describes it. It is plain
// data; [Cart.Validate] lists everything that is wrong with it, and every
// operation that takes a cart calls it.
type Cart struct {
	Currency ledger.Currency
	Lines    []Line
	Shipping []Shipping
	Customer Customer

	// Net says that prices are without tax; otherwise they include it. The amounts of
	// offers and limits are taken to be of the same kind: nothing is converted.
	Net bool `json:",omitempty"` // fingerprints of carts without it stay as they were

	Country    string            // for conditions; empty: not known
	Channel    string            // for conditions, as in "app"
	Payment    string            // the payment method, for conditions
	Attributes map[string]string // the shop's own, for conditions and limits

	// Promotions names the shop's own promotions that already apply to the
	// whole cart; those that apply to one line stand in [Line.Promotions].
	// Prices are those after them.
	Promotions []string
}

// Line is one position of a cart: some units of one product at one price.
type Line struct {
	ID         string // unique in the cart
	Product    string
	Seller     string
	Categories []string
	Tags       []string
	Quantity   int64 // 1 to MaxQuantity

	// UnitPrice is what one unit costs before any offer; 0 or more.
	UnitPrice ledger.Money
	// Total is the price of the whole line where that is not Quantity times
	// UnitPrice, as for units that cost less than the smallest coin. The zero
	// value: Quantity times UnitPrice.
	Total ledger.Money
	// Floor is the least that one unit may cost after all offers. The zero
	// value: nothing.
	Floor ledger.Money

	OnSale     bool     // already reduced by its seller
	Promotions []string // the shop's own promotions that apply to this line
}

// Shipping is one delivery that the shopper pays for.
type Shipping struct {
	ID     string // unique among the shipping lines
	Seller string
	Method string `json:",omitempty"` // how it is delivered, for offers; fingerprints of carts without it stay as they were
	Price  ledger.Money
}

// Customer is who buys. The zero value is a guest whom nothing is known of.
type Customer struct {
	// Key tells customers apart, for limits per customer and for coupons held
	// by one. For a guest, give a key that the same person would have again (a
	// keyed hash of the e-mail address, say), or none: then offers that must
	// tell customers apart are refused.
	Key      string
	Segments []string
	Orders   int64 // completed so far
}

// Fault is one thing that is wrong with an input: where, and what to do.
type Fault struct {
	Path    string // as in "lines[3].quantity"
	Problem string
}

// Faults is everything that is wrong with an input. It is an error that matches
// the sentinel of its kind: [ErrCart], [ErrOffer], [ErrExclusion] or [ErrRequest].
type Faults struct {
	Kind   error
	Faults []Fault
}

// maxFaults keeps a message readable and its making bounded.
const maxFaults = 50

func (f *Faults) add(path, problem string, args ...any) {
	switch {
	case len(f.Faults) < maxFaults:
		f.Faults = append(f.Faults, Fault{path, fmt.Sprintf(problem, args...)})
	case len(f.Faults) == maxFaults:
		f.Faults = append(f.Faults, Fault{"", "and more faults"})
	}
}

// Error lists the faults, one after the other.
func (f *Faults) Error() string {
	message := f.Kind.Error() + ": "
	for i, fault := range f.Faults {
		if i > 0 {
			message += "; "
		}
		if fault.Path != "" {
			message += fault.Path + ": "
		}
		message += fault.Problem
	}
	return message
}

// Unwrap gives the sentinel of the kind.
func (f *Faults) Unwrap() error { return f.Kind }

// orNil keeps a nil error nil.
func (f *Faults) orNil() error {
	if len(f.Faults) == 0 {
		return nil
	}
	own := *f
	return &own
}

// id checks a key that the shop gives; it may be empty only where that has a
// meaning.
func (f *Faults) id(path, id string, mayBeEmpty bool) {
	switch {
	case id == "" && !mayBeEmpty:
		f.add(path, "is missing")
	case len(id) > MaxKey:
		f.add(path, "has %d bytes, at most %d are allowed", len(id), MaxKey)
	case !printable(id):
		f.add(path, "%s", strict.Unreadable(id))
	}
}

// printable is [strict.Readable], fast for ASCII.
func printable(s string) bool {
	n := len(s)
	var odd uint64 // a top bit for each byte that is no printable ASCII
	switch {
	case n >= 8:
		odd = oddBytes(word(s)) | oddBytes(word(s[n-8:]))
		for i := 8; i+8 < n; i += 8 {
			odd |= oddBytes(word(s[i:]))
		}
	case n >= 4:
		odd = oddBytes(uint64(half(s)) | uint64(half(s[n-4:]))<<32)
	default:
		for i := range n {
			odd |= oddBytes(0x20202020_20202000 | uint64(s[i])) // spaces, where there is nothing
		}
	}
	return odd == 0 || strict.Readable(s)
}

// oddBytes has the top bit of each byte that is no printable ASCII, and perhaps of others
// above one that is not.
func oddBytes(w uint64) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	return (w | (w - ones*' ') | (w + ones)) & tops
}

func (f *Faults) names(path string, names []string) {
	if len(names) > maxNames {
		f.add(path, "has %d entries, at most %d are allowed", len(names), maxNames)
		return
	}
	for i, name := range names {
		if !wellNamed(name) {
			f.id(fmt.Sprintf("%s[%d]", path, i), name, false)
		}
	}
}

func wellNamed(name string) bool { return name != "" && len(name) <= MaxKey && printable(name) }

func allWellNamed(names []string) bool {
	for _, name := range names {
		if !wellNamed(name) {
			return false
		}
	}
	return len(names) <= maxNames
}

// Validate checks the cart and fails with a [*Faults] that lists everything
// wrong with it: no or a wrong currency, no lines or too many, a quantity or
// price out of range, an id missing or given twice, a total of 2^53 minor units
// or more.
func (c *Cart) Validate() error {
	return c.open(&basket{names: new(names)})
}

// basket is a validated cart with its sums.
type basket struct {
	cart     *Cart
	totals   []int64 // price of each line before offers, minor units
	least    []int64 // what each line may cost at least
	byID     []int   // the lines by their ids, the shorter first, so that the order of lines has no effect
	subtotal int64
	shipping int64
	names    *names // those that offers ask for
	lines    lineIndex
}

// open validates the cart, sums it up in a basket, whose memory it uses again, and leads
// from the names that offers ask for to its lines. A name that one asks for is well
// formed: so each is looked at once.
func (c *Cart) open(b *basket) error {
	faults := Faults{Kind: ErrCart}
	if c.Currency.IsZero() {
		faults.add("currency", "is missing")
	}
	switch {
	case len(c.Lines) == 0:
		faults.add("lines", "is empty: there is nothing to price")
	case len(c.Lines) > MaxLines:
		faults.add("lines", "has %d lines, at most %d are allowed: split the order", len(c.Lines), MaxLines)
	}
	if len(c.Shipping) > MaxLines {
		faults.add("shipping", "has %d lines, at most %d are allowed", len(c.Shipping), MaxLines)
	}
	if len(c.Lines) > MaxLines || len(c.Shipping) > MaxLines {
		return faults.orNil() // a list beyond its bound is not read further
	}
	faults.id("customer.key", c.Customer.Key, true)
	faults.names("customer.segments", c.Customer.Segments)
	faults.names("promotions", c.Promotions)
	if c.Customer.Orders < 0 {
		faults.add("customer.orders", "is %d, want 0 or more", c.Customer.Orders)
	}
	c.checkSale(&faults)
	b.cart, b.subtotal, b.shipping = c, 0, 0
	b.lines.begin(b.names)
	c.openLines(b, &faults)
	b.lines.build(b.byID)
	c.openShipping(b, &faults)
	if boundedSum(b.subtotal, b.shipping) >= MaxTotal {
		faults.add("lines", "sum to 2^53 minor units or more: split the order")
	}
	return faults.orNil()
}

func (c *Cart) openLines(b *basket, faults *Faults) {
	n := len(c.Lines)
	totals, least := slices.Grow(b.totals[:0], n)[:n], slices.Grow(b.least[:0], n)[:n]
	ends, byID := slices.Grow(b.lines.ends[:0], n)[:n], slices.Grow(b.byID[:0], n)[:n]
	found, sorted, before := b.lines.found[:0], true, ""
	for i := range c.Lines {
		line, first, well := &c.Lines[i], len(found), false
		if found, well = b.names.findAll(line, found); well && line.plain(c.Currency) {
			totals[i], least[i] = line.UnitPrice.Minor()*line.Quantity, 0
		} else {
			totals[i], least[i] = line.open(i, c.Currency, faults)
		}
		b.lines.meet(found[first:], int32(i))
		ends[i], byID[i] = int32(len(found)), i
		b.subtotal = boundedSum(b.subtotal, totals[i])
		sorted = sorted && (len(before) < len(line.ID) || len(before) == len(line.ID) && before < line.ID)
		before = line.ID
	}
	b.totals, b.least, b.byID, b.lines.ends, b.lines.found = totals, least, byID, ends, found
	if !sorted && b.sortByID() {
		c.checkTwins(faults)
	}
}

// findAll adds the numbers of a line's names to others, and says that all of its names are
// well formed.
func (x *names) findAll(l *Line, found []int32) (_ []int32, well bool) {
	if len(l.Categories) > maxNames || len(l.Tags) > maxNames || !wellNamed(l.ID) || !allWellNamed(l.Promotions) {
		return found, false
	}
	if number := x.find(productName, l.Product); number >= 0 {
		found = append(found, number)
	} else if number == unread && !wellNamed(l.Product) {
		return found, false
	}
	if l.Seller != "" {
		if number := x.find(sellerName, l.Seller); number >= 0 {
			found = append(found, number)
		} else if number == unread && !wellNamed(l.Seller) {
			return found, false
		}
	}
	for _, name := range l.Categories {
		if number := x.find(categoryName, name); number >= 0 {
			found = append(found, number)
		} else if number == unread && !wellNamed(name) {
			return found, false
		}
	}
	for _, name := range l.Tags {
		if number := x.find(tagName, name); number >= 0 {
			found = append(found, number)
		} else if number == unread && !wellNamed(name) {
			return found, false
		}
	}
	return found, true
}

// sortByID puts the lines in the order of their ids, and says that two have the same.
func (b *basket) sortByID() (twins bool) {
	lines := b.cart.Lines
	slices.SortFunc(b.byID, func(x, y int) int {
		c := compareIDs(lines[x].ID, lines[y].ID)
		twins = twins || c == 0 && x != y
		return c
	})
	return twins
}

func (c *Cart) checkTwins(faults *Faults) {
	seen := make(map[string]int, len(c.Lines))
	for i := range c.Lines {
		if first, twice := seen[c.Lines[i].ID]; twice {
			faults.add(fmt.Sprintf("lines[%d].id", i), "is %.40q, as in lines[%d]: every line needs its own", c.Lines[i].ID, first)
			continue
		}
		seen[c.Lines[i].ID] = i
	}
}

// compareIDs brings the shorter id first.
func compareIDs(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

func (c *Cart) openShipping(b *basket, faults *Faults) {
	var seen map[string]int
	if len(c.Shipping) > 1 {
		seen = make(map[string]int, len(c.Shipping))
	}
	for i, s := range c.Shipping {
		if first, twice := seen[s.ID]; twice {
			faults.add(fmt.Sprintf("shipping[%d].id", i), "is %.40q, as in shipping[%d]: every line needs its own", s.ID, first)
		} else if seen != nil {
			seen[s.ID] = i
		}
		if !wellNamed(s.ID) || s.Seller != "" && !wellNamed(s.Seller) || s.Method != "" && !wellNamed(s.Method) || !wellPriced(s.Price, c.Currency) || c.Currency.IsZero() {
			faults.id(fmt.Sprintf("shipping[%d].id", i), s.ID, false)
			faults.id(fmt.Sprintf("shipping[%d].seller", i), s.Seller, true)
			faults.id(fmt.Sprintf("shipping[%d].method", i), s.Method, true)
			faults.price(fmt.Sprintf("shipping[%d].price", i), s.Price, c.Currency)
		}
		if wellPriced(s.Price, c.Currency) {
			b.shipping = boundedSum(b.shipping, s.Price.Minor())
		}
	}
}

func (c *Cart) checkSale(faults *Faults) {
	faults.id("country", c.Country, true)
	faults.id("channel", c.Channel, true)
	faults.id("payment", c.Payment, true)
	if len(c.Attributes) > maxAttributes {
		faults.add("attributes", "has %d entries, at most %d are allowed", len(c.Attributes), maxAttributes)
		return
	}
	if len(c.Attributes) == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.Attributes)) {
		faults.id("attributes", name, false)
		faults.id(fmt.Sprintf("attributes[%q]", name), c.Attributes[name], true)
	}
}

// open gives the line's price before offers and the least it may cost.
func (l *Line) open(i int, currency ledger.Currency, faults *Faults) (total, floor int64) {
	path := func(member string) string { return fmt.Sprintf("lines[%d].%s", i, member) }
	if !wellNamed(l.ID) || !wellNamed(l.Product) {
		faults.id(path("id"), l.ID, false)
		faults.id(path("product"), l.Product, false)
	}
	if l.Seller != "" && !wellNamed(l.Seller) {
		faults.id(path("seller"), l.Seller, true)
	}
	if !allWellNamed(l.Categories) || !allWellNamed(l.Tags) || !allWellNamed(l.Promotions) {
		faults.names(path("categories"), l.Categories)
		faults.names(path("tags"), l.Tags)
		faults.names(path("promotions"), l.Promotions)
	}
	total = l.price(path, currency, faults)
	var none ledger.Money
	switch {
	case l.Floor == none:
		return total, 0
	case !wellPriced(l.Floor, currency):
		faults.price(path("floor"), l.Floor, currency)
		return total, 0
	case l.Quantity < 1 || l.Floor.Minor() > total/l.Quantity: // a floor above the price refuses every discount, and raises nothing
		return total, total
	}
	return total, l.Floor.Minor() * l.Quantity
}

// plain says that a line has no total or floor of its own, and that nothing is wrong
// with its price, as with most.
func (l *Line) plain(currency ledger.Currency) bool {
	price := l.UnitPrice.Minor()
	var none ledger.Money
	return l.Total == none && l.Floor == none && l.Quantity >= 1 && l.Quantity <= MaxQuantity &&
		l.UnitPrice.Currency() == currency && !currency.IsZero() && price >= 0 && price <= MaxTotal/MaxQuantity
}

// price is what the line costs before offers, in minor units; 0 when that can't
// be said.
func (l *Line) price(path func(string) string, currency ledger.Currency, faults *Faults) int64 {
	var none ledger.Money
	countable := l.Quantity >= 1 && l.Quantity <= MaxQuantity
	if !countable {
		faults.add(path("quantity"), "is %s, want 1 to %d", orMissing(l.Quantity), MaxQuantity)
	}
	if (l.UnitPrice != none || l.Total == none) && !wellPriced(l.UnitPrice, currency) {
		faults.price(path("unit_price"), l.UnitPrice, currency)
		countable = false
	}
	switch {
	case l.Total != none && !wellPriced(l.Total, currency):
		faults.price(path("total"), l.Total, currency)
	case l.Total != none:
		return l.Total.Minor()
	case countable && l.UnitPrice.Minor() > MaxTotal/l.Quantity:
		faults.add(path("unit_price"), "times %d units is 2^53 minor units or more", l.Quantity)
	case countable:
		return l.UnitPrice.Minor() * l.Quantity
	}
	return 0
}

// orMissing is a number, of which nobody knows whether it was given when it is 0.
func orMissing(n int64) string {
	if n == 0 {
		return "0 or missing"
	}
	return strconv.FormatInt(n, 10)
}

func wellPriced(m ledger.Money, currency ledger.Currency) bool {
	return m.Currency() == currency && m.Minor() >= 0 && m.Minor() < MaxTotal
}

func (f *Faults) price(path string, m ledger.Money, currency ledger.Currency) {
	switch {
	case m.Currency().IsZero():
		f.add(path, "is missing")
	case currency.IsZero(): // said once, of the cart
	case m.Currency() != currency:
		f.add(path, "is in %s, but the cart is in %s", m.Currency(), currency)
	case m.Minor() < 0:
		f.add(path, "is %s, want 0 or more", m)
	case m.Minor() >= MaxTotal:
		f.add(path, "is %s, want less than 2^53 minor units", m)
	}
}

// boundedSum adds amounts of 0 or more and stays at MaxTotal once it is there.
func boundedSum(a, b int64) int64 {
	if b > MaxTotal-a {
		return MaxTotal
	}
	return a + b
}

// instant checks a time that is kept as unix microseconds.
func (f *Faults) instant(path string, at time.Time) {
	if year := at.UTC().Year(); year < 1970 || year > 9999 || at.UnixMicro() <= 0 {
		f.add(path, "is %s, want an instant between 1970 and 9999", at.UTC().Format(time.RFC3339))
	}
}
