package coupon

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/vouch-go/vouch/ledger"
)

// payers shares what offers take off among those who pay for it, and names each
// payer once.
type payers struct {
	offers []decided
	names  []string
}

// share splits what each offer takes off a part or a delivery of a seller's, to the
// smallest coin: the largest remainder, ties to the payer named first. It adds the shares
// to others.
func (p *payers) share(shared []offBody, off []Off, seller string) []offBody {
	for _, o := range off {
		funding, amount := p.offers[o.Applied].Version.offer.Funding, o.Amount.Minor()
		if len(funding) == 0 {
			if amount > 0 {
				shared = append(shared, offBody{o.Applied, p.index(Platform, seller), amount})
			}
			continue
		}
		for _, paid := range p.of(funding, amount, seller) {
			shared = append(shared, offBody{o.Applied, paid.payer, paid.amount})
		}
	}
	return shared
}

// paidBy is what one payer pays.
type paidBy struct {
	payer  int // its place among the names
	amount int64
}

// of splits an amount by the shares; without any the platform pays.
func (p *payers) of(funding []Share, amount int64, seller string) []paidBy {
	if len(funding) == 0 {
		funding = []Share{{Payer: Platform, Rate: ledger.MustRate("100")}}
	}
	weights := make([]int64, len(funding))
	for i, f := range funding {
		weights[i], _ = f.Rate.Of(rateUnit, ledger.HalfUp) // exact: a rate has 6 decimals of a percent
	}
	amounts, err := ledger.Split(nil, amount, weights, nil)
	if err != nil { // shares that were checked sum to 100 %
		return nil
	}
	var paid []paidBy
	for i, amount := range amounts {
		if amount > 0 {
			paid = append(paid, paidBy{p.index(funding[i].Payer, seller), amount})
		}
	}
	return paid
}

// Funding is what one payer pays of what one offer takes off.
type Funding struct {
	Applied int    // index in what [Quote.Applied] gives
	Payer   string // Platform, "seller/" and the seller, or a brand's name; as the books have it: a name that is long or has a slash by its hash
	Amount  ledger.Money
}

// LineFunding says who pays for what comes off a line, by offer, exact to the
// smallest coin: what its seller pays lowers the price it is taxed for, what others
// pay does not. The line is its index; beyond the lines there is none.
func (q *Quote) LineFunding(line int) []Funding {
	if line < 0 || line >= len(q.outcome.lines) {
		return nil
	}
	p := payers{offers: q.outcome.applied}
	var shared []offBody // by part, as it is booked
	for _, part := range q.parts(line) {
		shared = p.share(shared, part.Off, q.outcome.lines[line].Seller)
	}
	return p.sum(shared, q.Cart.Currency)
}

// DeliveryFunding says who pays for what comes off a delivery, as LineFunding does.
func (q *Quote) DeliveryFunding(delivery int) []Funding {
	if delivery < 0 || delivery >= len(q.outcome.shipping) {
		return nil
	}
	p := payers{offers: q.outcome.applied}
	return p.sum(p.share(nil, q.delivery(delivery).Off, q.outcome.shipping[delivery].Seller), q.Cart.Currency)
}

// sum is what each payer pays of each offer, in the order of offers.
func (p *payers) sum(shared []offBody, currency ledger.Currency) []Funding {
	var sums []Funding
	for _, s := range shared {
		i := slices.IndexFunc(sums, func(f Funding) bool { return f.Applied == s.Applied && f.Payer == p.names[s.Payer] })
		if i < 0 {
			i = len(sums)
			sums = append(sums, Funding{s.Applied, p.names[s.Payer], ledger.Minor(0, currency)})
		}
		sums[i].Amount = ledger.Minor(sums[i].Amount.Minor()+s.Amount, currency)
	}
	slices.SortStableFunc(sums, func(a, b Funding) int { return a.Applied - b.Applied })
	return sums
}

// rateUnit is 100 % of a rate's smallest step.
const rateUnit = 100_000_000

// index gives the payer's place among the names. A line without a seller is the
// platform's own.
func (p *payers) index(payer, seller string) int {
	switch {
	case payer == Seller && seller != "":
		payer = Seller + "/" + accountPart(seller)
	case payer == Seller:
		payer = Platform
	case payer != Platform:
		payer = accountPart(payer)
	}
	i := slices.Index(p.names, payer)
	if i < 0 {
		i = len(p.names)
		p.names = append(p.names, payer)
	}
	return i
}

// accountPart makes a key of the shop's fit for a part of an account: as it is, or
// its hash where an account can't hold it or it looks like such a hash.
func accountPart(key string) string {
	if len(key) <= 80 && !strings.Contains(key, "/") && !strings.HasPrefix(key, "~") && strings.TrimSpace(key) == key {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "~" + hex.EncodeToString(sum[:16])
}

// Accounts of the book. What an offer takes off flows from who pays for it to the
// offer's discounts.

const promotions = "promotions/"

func promotionsAccount(payer string) ledger.Account { return ledger.Account(promotions + payer) }

func discountsAccount(offer string) ledger.Account { return ledger.Account("discounts/" + offer) }

// SellerAccount is the account of what a seller has paid for offers.
func SellerAccount(seller string) ledger.Account {
	return promotionsAccount(Seller + "/" + accountPart(seller))
}

// payment is what one payer pays for one offer.
type payment struct {
	applied, payer int
}

func (p payment) compare(other payment) int {
	return cmp.Or(cmp.Compare(p.applied, other.applied), cmp.Compare(p.payer, other.payer))
}

// payments are what each payer pays for each offer.
type payments struct {
	sums table[payment, int64]
}

func (p *payments) add(of payment, amount int64) {
	before, _ := p.sums.get(of)
	p.sums.set(of, before+amount)
}

// all are the payments in order.
func (p *payments) all() []row[payment, int64] { return p.sums.sorted(payment.compare) }

// payments sums what each payer pays for each offer.
func (b *redemptionBody) payments() (sums payments) {
	for i := range b.Lines {
		for j := range b.Lines[i].Parts {
			for _, o := range b.Lines[i].Parts[j].Off {
				sums.add(payment{o.Applied, o.Payer}, o.Amount)
			}
		}
	}
	for i := range b.Deliveries {
		for _, o := range b.Deliveries[i].Off {
			sums.add(payment{o.Applied, o.Payer}, o.Amount)
		}
	}
	return sums
}

// transfers books payments, or takes them back.
func (b *redemptionBody) transfers(sums *payments, back bool) []ledger.Transfer {
	all := sums.all()
	transfers := make([]ledger.Transfer, 0, len(all))
	for _, paid := range all {
		if paid.value == 0 {
			continue
		}
		t := ledger.Transfer{
			From: promotionsAccount(b.Payers[paid.key.payer]), To: discountsAccount(b.Applied[paid.key.applied].Offer),
			Amount: ledger.Minor(paid.value, b.Currency),
		}
		if back {
			t.From, t.To = t.To, t.From
		}
		transfers = append(transfers, t)
	}
	return transfers // an entry sorts them
}
