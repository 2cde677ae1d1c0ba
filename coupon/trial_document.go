package coupon

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/vouch-go/vouch/coupon/strict"
	"github.com/vouch-go/vouch/ledger"
)

// Limits of a trial's document.
const (
	MaxTrial        = 1 << 20 // bytes
	maxTrialOffers  = 10_000  // offers, and as many coupons, exclusions, predicates
	maxTrialWork    = 500_000 // lines of the cart times offers
	maxTrialUses    = 1_000   // uses of a coupon that somebody holds
	maxUnitDecimals = 9       // of a unit price below the smallest coin
)

//go:embed trial.schema.json
var trialSchema string

// TrialSchema is the JSON Schema (draft 2020-12) of the documents that [ParseTrial]
// reads, with that of offers inside; its definition "quote" is what
// [Quote.MarshalJSON] writes.
func TrialSchema() string {
	const offer = `"offer": {"$ref": "offer.schema.json"}`
	return strings.Replace(trialSchema, offer, `"offer": `+strings.TrimSpace(offerSchema), 1)
}

// Trial is a cart with the offers to try on it: what [Decide] is given. It is how an
// offer is tried before it is published, and reads nothing but its document.
type Trial struct {
	Cart       Cart
	Candidates []Candidate
	Facts      Facts
	At         time.Time
}

// ParseTrial reads a trial's JSON document, as [TrialSchema] describes it:
//
//	{
//	  "cart": {"currency": "EUR", "lines": [{"id": "1", "product": "tea", "quantity": 2, "unit_price": "19.99"}]},
//	  "offers": [{"id": "ten", "name": "10 % off", "benefit": {"type": "percent", "percent": "10"}}],
//	  "at": "2026-11-20T12:00:00Z"
//	}
//
// and besides exclusions, coupons, the codes that were typed, the ids of coupons
// chosen from a wallet, which offers are paused, how much of limits is used, and
// whether what was chosen or the best is wanted. The candidates are the codes, the
// coupons of the wallet, the latest version of each automatic offer, and that of each
// offer that no coupon of the document carries: so a new offer is tried without a
// coupon. An offer whose coupons were not chosen is refused as [ReasonNotChosen].
//
// It is read as strictly as an offer ([ParseOffer]), but up to [MaxTrial] bytes, and
// fails with a [*Faults] of the kind [ErrRequest] that lists everything wrong with
// the cart, the offers and the rest. Conditions may name the predicates given here,
// and those that the document itself declares with the answer they give.
func ParseTrial(data []byte, predicates ...RegisteredPredicate) (*Trial, error) {
	var d trialDocument
	p := trialParser{trialDocument: &d, reading: readStrictly(data, MaxTrial, ErrRequest, &d)}
	if p.HasRead() {
		p.parse(predicates)
	}
	if err := p.orNil(); err != nil {
		return nil, err
	}
	return &p.trial, nil
}

// Quote decides the trial, as [Decide] does.
func (t *Trial) Quote() (*Quote, error) {
	return Decide(t.Cart, t.Candidates, t.Facts, t.At)
}

// trialDocument is the JSON form of a trial.
type trialDocument struct {
	Cart       cartDocument              `json:"cart"`
	Offers     []offerDocument           `json:"offers,omitempty"`
	Predicates []predicateDocument       `json:"predicates,omitempty"`
	Paused     []string                  `json:"paused,omitempty"`
	Exclusions []trialExclusion          `json:"exclusions,omitempty"`
	Coupons    []couponDocument          `json:"coupons,omitempty"`
	Codes      []string                  `json:"codes,omitempty"`
	Wallet     []string                  `json:"wallet,omitempty"`
	Select     selection                 `json:"select,omitempty"`
	Used       map[string][]usedDocument `json:"used,omitempty"`
	At         time.Time                 `json:"at"`
}

type cartDocument struct {
	Currency   ledger.Currency    `json:"currency"`
	Lines      []lineDocument     `json:"lines"`
	Shipping   []shippingDocument `json:"shipping,omitempty"`
	Customer   *customerDocument  `json:"customer,omitempty"`
	Prices     prices             `json:"prices,omitempty"`
	Country    string             `json:"country,omitempty"`
	Channel    string             `json:"channel,omitempty"`
	Payment    string             `json:"payment,omitempty"`
	Attributes map[string]string  `json:"attributes,omitempty"`
	Promotions []string           `json:"promotions,omitempty"`
}

type lineDocument struct {
	ID         string     `json:"id"`
	Product    string     `json:"product"`
	Seller     string     `json:"seller,omitempty"`
	Categories []string   `json:"categories,omitempty"`
	Tags       []string   `json:"tags,omitempty"`
	Quantity   int64      `json:"quantity"`
	UnitPrice  amountText `json:"unit_price,omitempty"`
	Total      amountText `json:"total,omitempty"`
	Floor      amountText `json:"floor,omitempty"`
	OnSale     bool       `json:"on_sale,omitempty"`
	Promotions []string   `json:"promotions,omitempty"`
}

type shippingDocument struct {
	ID     string     `json:"id"`
	Seller string     `json:"seller,omitempty"`
	Method string     `json:"method,omitempty"`
	Price  amountText `json:"price"`
}

type customerDocument struct {
	Key      string   `json:"key,omitempty"`
	Segments []string `json:"segments,omitempty"`
	Orders   int64    `json:"orders,omitempty"`
}

type predicateDocument struct {
	Name     string `json:"name"`
	Version  int    `json:"version"`
	Holds    bool   `json:"holds"`
	Sentence string `json:"sentence,omitempty"`
}

type trialExclusion struct {
	ID       string   `json:"id,omitempty"`
	Seller   string   `json:"seller"`
	Products []string `json:"products,omitempty"`
	Offers   []string `json:"offers,omitempty"`
	Labels   []string `json:"labels,omitempty"`
	intervalDocument
}

type couponDocument struct {
	ID       string      `json:"id,omitempty"`
	Code     string      `json:"code,omitempty"`
	Offer    string      `json:"offer"`
	Version  int         `json:"version,omitempty"`
	Holder   string      `json:"holder,omitempty"`
	Issued   *time.Time  `json:"issued,omitempty"`
	Expires  *time.Time  `json:"expires,omitempty"`
	Uses     int64       `json:"uses,omitempty"`
	Used     int64       `json:"used,omitempty"`
	Reserved []time.Time `json:"reserved,omitempty"`
	Revoked  *time.Time  `json:"revoked,omitempty"`
}

type usedDocument struct {
	Per       LimitPer      `json:"per"`
	Attribute string        `json:"attribute,omitempty"`
	Coupon    string        `json:"coupon,omitempty"`
	Period    ledger.Period `json:"period,omitempty"`
	Uses      *int64        `json:"uses,omitempty"`
	Money     *amountText   `json:"money,omitempty"`
}

// amountText is an amount of the cart's currency as it is written; empty: it is left out.
type amountText string

// UnmarshalText refuses an empty text: what is said to be an amount is not left out.
func (a *amountText) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New(`is "", want an amount: "5.00"`)
	}
	*a = amountText(text)
	return nil
}

// prices says whether a cart's prices include tax.
type prices uint8

var pricesNames = []string{"gross", "net"}

const netPrices prices = 1

func (p prices) MarshalText() ([]byte, error)     { return name(pricesNames, int(p)) }
func (p *prices) UnmarshalText(text []byte) error { return index(p, pricesNames, text) }

// selection says what a trial selects: what was chosen, or the best.
type selection uint8

var selectionNames = []string{"chosen", "best"}

func (s selection) MarshalText() ([]byte, error)     { return name(selectionNames, int(s)) }
func (s *selection) UnmarshalText(text []byte) error { return index(s, selectionNames, text) }

// trialParser makes a trial of its document.
type trialParser struct {
	*trialDocument
	*reading
	trial    Trial
	versions map[string][]*Version // by offer, as in the document
	paused   map[string]bool
	coupons  map[string]*Coupon // by id
	codes    map[Code][]*Coupon
}

func (p *trialParser) parse(predicates []RegisteredPredicate) {
	p.trial.At = p.At
	if err := p.checkBounds(); err != nil {
		p.merge("", err)
		return // a list beyond its bound is not read further
	}
	p.checkInstant()
	p.parseCart()
	p.parseOffers(predicates)
	p.parseExclusions()
	p.parseCoupons()
	p.parseUsed()
	p.choose()
	p.lacking()
}

func (p *trialParser) checkInstant() {
	faults := &Faults{Kind: ErrRequest}
	if p.At.IsZero() {
		faults.add("at", "is missing: give the instant to try for, as in \"2026-11-20T12:00:00Z\"")
	} else {
		faults.instant("at", p.At)
	}
	p.merge("", faults.orNil())
}

// checkBounds checks how much there is of everything, so that the work is bounded.
func (p *trialParser) checkBounds() error {
	faults := &Faults{Kind: ErrRequest}
	for _, list := range []struct {
		path       string
		found, max int
	}{
		{"offers", len(p.Offers), maxTrialOffers}, {"coupons", len(p.Coupons), maxTrialOffers},
		{"exclusions", len(p.Exclusions), maxTrialOffers}, {"predicates", len(p.Predicates), maxTrialOffers},
		{"codes", len(p.Codes) + len(p.Wallet), maxChoice},
	} {
		if list.found > list.max {
			faults.add(list.path, "has %d entries, at most %d are allowed", list.found, list.max)
		}
	}
	if lines := max(1, len(p.trialDocument.Cart.Lines)); len(p.Offers)*lines > maxTrialWork {
		faults.add("offers", "has %d entries for %d lines, at most %d are allowed for so many", len(p.Offers), lines, maxTrialWork/lines)
	}
	return faults.orNil()
}

func (p *trialParser) parseCart() {
	d := &p.trialDocument.Cart
	c := &p.trial.Cart
	*c = Cart{
		Currency: d.Currency, Net: d.Prices == netPrices, Country: d.Country, Channel: d.Channel, Payment: d.Payment,
		Attributes: d.Attributes, Promotions: d.Promotions,
	}
	if d.Customer != nil {
		c.Customer = Customer(*d.Customer)
	}
	for i := range d.Lines {
		c.Lines = append(c.Lines, p.line(strict.Item("cart.lines", i), &d.Lines[i]))
	}
	for i, s := range d.Shipping {
		c.Shipping = append(c.Shipping, Shipping{s.ID, s.Seller, s.Method, p.money(strict.Item("cart.shipping", i)+".price", s.Price)})
	}
	p.merge("cart", c.Validate())
}

func (p *trialParser) line(path string, d *lineDocument) Line {
	l := Line{
		ID: d.ID, Product: d.Product, Seller: d.Seller, Categories: d.Categories, Tags: d.Tags, Quantity: d.Quantity,
		Total: p.money(path+".total", d.Total), Floor: p.money(path+".floor", d.Floor),
		OnSale: d.OnSale, Promotions: d.Promotions,
	}
	if _, err := ledger.ParseMoney(string(d.UnitPrice), p.trial.Cart.Currency); errors.Is(err, ledger.ErrPrecision) && unitPrice.MatchString(string(d.UnitPrice)) {
		p.finePrice(path, d, &l)
	} else {
		l.UnitPrice = p.money(path+".unit_price", d.UnitPrice)
	}
	return l
}

var unitPrice = regexp.MustCompile(fmt.Sprintf(`^(0|[1-9][0-9]{0,15})\.[0-9]{1,%d}$`, maxUnitDecimals))

// finePrice is a unit price with more decimals than the currency has. The line's
// total counts then: as given, or quantity times unit price where that is exact.
func (p *trialParser) finePrice(path string, d *lineDocument, l *Line) {
	p.Unread = append(p.Unread, path+".unit_price")
	if d.Total != "" || d.Quantity < 1 || d.Quantity > MaxQuantity {
		return
	}
	exact := decimal.RequireFromString(string(d.UnitPrice)).Mul(decimal.NewFromInt(d.Quantity))
	total, err := ledger.FromDecimal(exact, p.trial.Cart.Currency)
	if err != nil {
		p.Misread(path+".total", "is missing: %d times %s is %s, which is no amount in %s", d.Quantity, d.UnitPrice, exact, p.trial.Cart.Currency)
		return
	}
	l.Total = total
}

// money reads an amount in the cart's currency; one that is left out is none.
func (p *trialParser) money(path string, given amountText) ledger.Money {
	text := string(given)
	if text == "" {
		return ledger.Money{}
	}
	if p.trial.Cart.Currency.IsZero() { // said of the cart
		p.Unread = append(p.Unread, path)
		return ledger.Money{}
	}
	m, err := ledger.ParseMoney(text, p.trial.Cart.Currency)
	if err != nil {
		p.Misread(path, "%s", err)
	}
	return m
}

func (p *trialParser) parseOffers(predicates []RegisteredPredicate) {
	registered := slices.Clone(predicates)
	for i, d := range p.Predicates {
		if !offerID.MatchString(d.Name) || d.Version < 1 {
			p.add(strict.Item("predicates", i), "is %.80q in version %d, want %s and a version from 1", d.Name, d.Version, offerID)
		}
		registered = append(registered, RegisteredPredicate{
			Name: d.Name, Version: d.Version, Sentence: d.Sentence, Holds: func(_, _ map[string]string) bool { return d.Holds },
		})
	}
	byName := predicatesByName(registered)
	p.versions = make(map[string][]*Version)
	for i := range p.Offers {
		path := strict.Item("offers", i)
		offer := p.Offers[i].offer(p.reading, path)
		v, err := newVersion(offer, byName)
		p.merge(path, err)
		if err != nil {
			v = &Version{offer: offer, zone: time.UTC} // so that what names the offer is no fault
		}
		if p.version(offer.ID, offer.Version) != nil && offer.Version > 0 || offer.Version == 0 && len(p.versions[offer.ID]) > 0 {
			p.add(path+".id", "%.80q stands twice: give each a version of its own", offer.ID)
		}
		p.versions[offer.ID] = append(p.versions[offer.ID], v)
	}
	p.paused = make(map[string]bool, len(p.Paused))
	for i, id := range p.Paused {
		if p.versions[id] == nil {
			p.add(strict.Item("paused", i), "%.80q is none of the offers", id)
		}
		p.paused[id] = true
	}
}

// version finds a version of an offer; 0: the latest.
func (p *trialParser) version(offer string, version int) *Version {
	var found *Version
	for _, v := range p.versions[offer] {
		if version == v.offer.Version || version == 0 && (found == nil || v.offer.Version > found.offer.Version) {
			found = v
		}
	}
	return found
}

func (p *trialParser) parseExclusions() {
	for i, d := range p.Exclusions {
		e := Exclusion{ID: d.ID, Seller: d.Seller, Products: d.Products, Offers: d.Offers, Labels: d.Labels, Interval: d.interval()}
		if e.ID == "" {
			e.ID = fmt.Sprint(i + 1)
		}
		p.merge(strict.Item("exclusions", i), e.Validate())
		p.trial.Facts.Exclusions = append(p.trial.Facts.Exclusions, e)
	}
}

func (p *trialParser) parseCoupons() {
	p.coupons, p.codes = make(map[string]*Coupon), make(map[Code][]*Coupon)
	for i := range p.Coupons {
		p.parseCoupon(strict.Item("coupons", i), &p.Coupons[i])
	}
}

func (p *trialParser) parseCoupon(path string, d *couponDocument) {
	v := p.version(d.Offer, d.Version)
	if v == nil {
		p.merge(path, &Faults{ErrRequest, []Fault{{"offer", fmt.Sprintf("%.80q is none of the offers, or not in version %d", d.Offer, d.Version)}}})
		return
	}
	c := &Coupon{ID: d.ID, Offer: d.Offer, Version: v.offer.Version, Name: v.offer.Name, Holder: d.Holder, Issued: p.At, Uses: v.uses()}
	if d.Code != "" {
		code, err := ParseCode(d.Code)
		if err != nil {
			p.Misread(path+".code", "%s", err)
			p.Unread = append(p.Unread, path+".id")
		}
		c.Code = code
	}
	if c.ID == "" {
		if c.ID = string(c.Code); p.codes[c.Code] != nil {
			c.ID += "/" + c.Offer
		}
	}
	if d.Issued != nil {
		c.Issued = *d.Issued
	}
	if c.Expires = v.expires(c.Issued); d.Expires != nil {
		c.Expires = *d.Expires
	}
	if d.Revoked != nil {
		c.Revoked = &Revocation{At: *d.Revoked}
	}
	p.merge(path, d.checkInstants())
	p.merge(path, p.parseUses(c, d))
	p.merge(path, p.register(c))
}

func (d *couponDocument) checkInstants() error {
	faults := &Faults{Kind: ErrRequest}
	for _, given := range []struct {
		path string
		at   *time.Time
	}{{"issued", d.Issued}, {"expires", d.Expires}, {"revoked", d.Revoked}} {
		if given.at != nil {
			faults.instant(given.path, *given.at)
		}
	}
	for i, until := range d.Reserved {
		faults.instant(strict.Item("reserved", i), until)
	}
	return faults.orNil()
}

// parseUses reads how often a coupon that somebody holds was used.
func (p *trialParser) parseUses(c *Coupon, d *couponDocument) error {
	faults := &Faults{Kind: ErrRequest}
	if c.Holder == "" && (d.Uses != 0 || d.Used != 0 || len(d.Reserved) > 0) {
		faults.add("holder", "is missing: a coupon that anyone may use counts in its offer's limits, given under used")
	}
	if d.Uses < 0 || d.Uses > MaxQuantity {
		faults.add("uses", "is %d, want 1 to %d", d.Uses, MaxQuantity)
	} else if d.Uses > 0 {
		c.Uses = int(d.Uses)
	}
	if d.Used < 0 || d.Used+int64(len(d.Reserved)) > maxTrialUses {
		faults.add("used", "is %d with %d reserved, want 0 to %d", d.Used, len(d.Reserved), maxTrialUses)
		return faults
	}
	for i := range d.Used {
		c.Used = append(c.Used, Use{Order: fmt.Sprint("used ", i+1)})
	}
	for i, until := range d.Reserved {
		c.Used = append(c.Used, Use{Order: fmt.Sprint("reserved ", i+1), Until: until})
	}
	return faults.orNil()
}

// register makes the coupon known by its id and code.
func (p *trialParser) register(c *Coupon) error {
	faults := &Faults{Kind: ErrRequest}
	faults.id("holder", c.Holder, true)
	switch {
	case c.ID == "":
		faults.add("id", "is missing: give an id or a code")
		return faults
	case p.coupons[c.ID] != nil:
		faults.add("id", "%.100q is another coupon's", c.ID)
	default:
		faults.id("id", c.ID, false)
	}
	p.coupons[c.ID] = c
	if c.Code == "" {
		return faults.orNil()
	}
	sharing := p.codes[c.Code]
	switch of := func(other *Coupon) bool { return other.Offer == c.Offer }; {
	case slices.ContainsFunc(sharing, of):
		faults.add("code", "%s is another coupon's of the same offer", c.Code)
	case len(sharing) >= maxSharing:
		faults.add("code", "%s is that of more than %d coupons", c.Code, maxSharing)
	}
	p.codes[c.Code] = append(sharing, c)
	return faults.orNil()
}

// parseUsed finds the counters of what is used.
func (p *trialParser) parseUsed() {
	p.trial.Facts.Used = make(map[string]int64)
	given := make(map[string]string) // where a counter was given
	for _, id := range slices.Sorted(maps.Keys(p.Used)) {
		v := p.version(id, 0)
		if v == nil {
			p.add(strict.Named("used", id), "is none of the offers")
			continue
		}
		for i := range p.Used[id] {
			path := strict.Item(strict.Named("used", id), i)
			counter, n := p.used(path, v, &p.Used[id][i])
			if counter == "" {
				continue
			}
			if first, twice := given[counter]; twice {
				p.add(path, "is the same as %s", first)
			}
			given[counter] = path
			p.trial.Facts.Used[counter] = n
		}
	}
}

// used gives the counter of one limit, as it is for the trial's cart and instant, and
// how much of it is used. A limit that has no counter for this cart is left out.
func (p *trialParser) used(path string, v *Version, d *usedDocument) (counter string, n int64) {
	l := v.limit(d)
	switch {
	case (d.Uses == nil) == (d.Money == nil):
		p.add(path, "wants uses or money, exactly one of them")
		return "", 0
	case d.Per == PerOrder:
		p.add(path+".per", "is order: what one order uses is counted anew in every trial")
		return "", 0
	case l == nil:
		p.add(path, "is of no limit of the offer: want the same per, attribute and period, and uses or money as there")
		return "", 0
	}
	var c *Coupon
	if d.Per == PerCoupon {
		if c = p.coupons[d.Coupon]; c == nil || c.Offer != v.offer.ID || c.Holder != "" && d.Uses != nil {
			p.add(path+".coupon", "is %.100q, want a coupon of the offer; uses of one that somebody holds are given with the coupon", d.Coupon)
			return "", 0
		}
	} else if d.Coupon != "" {
		p.add(path+".coupon", "is given, but the limit is not per coupon")
	}
	if d.Uses != nil {
		n = *d.Uses
	} else {
		n = p.money(path+".money", *d.Money).Minor()
	}
	if n < 0 {
		p.add(path, "is below 0")
	}
	claims, _ := v.claims(&p.trial.Cart, c, p.At)
	for _, claim := range claims {
		if claim.limit == l {
			return claim.Counter, n
		}
	}
	return "", 0
}

// limit finds the version's limit that the document speaks of.
func (v *Version) limit(d *usedDocument) *Limit {
	for i := range v.offer.Limits {
		l := &v.offer.Limits[i]
		if l.Per == d.Per && l.Attribute == d.Attribute && l.Period == d.Period && (l.Uses > 0) == (d.Uses != nil) {
			return l
		}
	}
	return nil
}

// choose makes candidates of what was chosen and of the offers that need no coupon.
func (p *trialParser) choose() {
	p.trial.Facts.Best = p.Select == 1
	for _, typed := range p.Codes {
		c := Candidate{Code: typed}
		switch code, err := ParseCode(typed); {
		case errors.Is(err, ErrMistyped):
			c.Refused = &Refusal{Reason: ReasonMistyped}
		case err != nil:
			c.Refused = &Refusal{Reason: ReasonNotACode}
		default:
			for _, coupon := range p.codes[code] {
				p.candidate(Candidate{Code: typed, Coupon: coupon})
			}
			if p.codes[code] != nil {
				continue
			}
		}
		p.candidate(c)
	}
	for i, id := range p.Wallet {
		faults := &Faults{Kind: ErrRequest}
		faults.id(strict.Item("wallet", i), id, false)
		p.merge("", faults.orNil())
		p.candidate(Candidate{Coupon: p.coupons[id], Refused: unknown(p.coupons[id], id)})
	}
	p.chooseOffers()
}

// chooseOffers makes candidates of the offers that need no coupon, and refused ones of
// those that have coupons of which none was chosen: so every offer gets an answer.
func (p *trialParser) chooseOffers() {
	carried, chosen := make(map[string]bool), make(map[string]bool)
	for _, c := range p.coupons {
		carried[c.Offer] = true
	}
	for _, c := range p.trial.Candidates {
		if c.Coupon != nil {
			chosen[c.Coupon.Offer] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.versions)) {
		switch v := p.version(id, 0); {
		case v.offer.Automatic || !carried[id]:
			p.candidate(Candidate{Version: v})
		case !chosen[id]:
			p.candidate(Candidate{Version: v, Refused: &Refusal{Reason: ReasonNotChosen}})
		}
	}
}

// unknown is the refusal of an id that no coupon has.
func unknown(c *Coupon, id string) *Refusal {
	if c != nil {
		return nil
	}
	return &Refusal{Reason: ReasonUnknown, Coupon: id}
}

func (p *trialParser) candidate(c Candidate) {
	if c.Coupon != nil {
		c.Version = p.version(c.Coupon.Offer, c.Coupon.Version)
	}
	if c.Version != nil {
		c.Paused = p.paused[c.Version.offer.ID]
	}
	p.trial.Candidates = append(p.trial.Candidates, c)
}
