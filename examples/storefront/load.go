package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
)

// load is a flash sale: many shoppers at once, all after one code that is capped and a
// budget that runs out.
type load struct {
	shoppers int
	lasts    time.Duration
	cap      int64        // uses of the code
	budget   ledger.Money // what the other offer takes off at most, by all together
}

// The offers of the sale. Their ids carry the instant, so that it can be held again on
// the same database.
type sale struct{ capped, spent, code, codeSpent string }

func (s *shop) holdSale(ctx context.Context, l load) (sale, error) {
	now := s.now()
	mark := fmt.Sprintf("%x", now.UnixMicro())
	on := sale{capped: "flash-" + mark, spent: "budget-" + mark, code: "FLASH" + strings.ToUpper(mark), codeSpent: "BUDGET" + strings.ToUpper(mark)}
	for _, offer := range []coupon.Offer{{
		ID: on.capped, Name: "Flash sale", Benefit: coupon.AmountOff{Amounts: coupon.Amounts{price("4.00")}},
		Limits: []coupon.Limit{{Uses: l.cap}},
	}, {
		ID: on.spent, Name: "20 % while it lasts", Benefit: coupon.PercentOff{Rate: ledger.MustRate("20")},
		Limits: []coupon.Limit{{Money: coupon.Amounts{l.budget}, When: coupon.ClipSpent}},
	}} {
		if _, err := s.coupons.Publish(ctx, offer, "load", now); err != nil {
			return on, err
		}
	}
	_, err := s.coupons.Issue(ctx, coupon.IssueRequest{ID: "sale-" + mark, Actor: "load", Offers: []coupon.IssueOffer{
		{Offer: on.capped, Code: on.code}, {Offer: on.spent, Code: on.codeSpent},
	}}, now)
	return on, err
}

// tally is what the shoppers have seen.
type tally struct {
	mu       sync.Mutex
	took     map[string][]time.Duration // by page
	paid     int
	canceled int
	left     int            // orders not paid at once
	wanted   int64          // how often the capped code was typed
	said     map[string]int // refusals and notices, without their figures
	failures []string
}

func (t *tally) count(do func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	do()
}

// runLoad opens the shop on a port of this machine, sends the shoppers in, and checks
// afterwards that the cap is exact and that the books balance.
func runLoad(ctx context.Context, database string, l load, out io.Writer) (err error) {
	s, err := openShop(ctx, database, randomToken())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.db.Close()) }()
	s.limiter.ofVisit, s.limiter.ofAddress = math.MaxInt, math.MaxInt // the shoppers all come from one address
	on, err := s.holdSale(ctx, l)
	if err != nil {
		return err
	}
	site, err := newSite(s, false)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: site.handler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()

	seen := &tally{took: make(map[string][]time.Duration), said: make(map[string]int)}
	began := time.Now()
	var all sync.WaitGroup
	for range l.shoppers {
		all.Go(func() {
			p, err := s.shopper(ctx, "http://"+listener.Addr().String(), on, seen)
			for err == nil && time.Since(began) < l.lasts && ctx.Err() == nil {
				err = p.buys(ctx)
			}
			if err != nil {
				seen.count(func() { seen.failures = append(seen.failures, err.Error()) })
			}
		})
	}
	all.Wait()
	seen.print(out, time.Since(began))
	if len(seen.failures) > 0 {
		return fmt.Errorf("%d requests failed, the first: %s", len(seen.failures), seen.failures[0])
	}
	// What was left alone lapses, and gives back what it held.
	if _, err := s.coupons.Sweep(ctx, s.now().Add(2*hold), 1_000_000); err != nil {
		return err
	}
	if seen.wanted >= 2*l.cap {
		if err := s.sellOut(ctx, "http://"+listener.Addr().String(), l, on, seen); err != nil {
			return err
		}
	}
	return s.afterSale(ctx, l, on, out)
}

// sellOut has a last shopper buy until the cap is reached, and once more: what others
// gave back can be had, and nothing beyond the cap.
func (s *shop) sellOut(ctx context.Context, base string, l load, on sale, seen *tally) error {
	p, err := s.shopper(ctx, base, on, seen)
	if err != nil {
		return err
	}
	uses, err := s.usesOf(ctx, on.capped)
	if err != nil {
		return err
	}
	for ; uses <= l.cap; uses++ {
		if err := p.fill(ctx, on.code, on.codeSpent); err != nil {
			return err
		}
		page, err := p.checkOut(ctx)
		if err != nil {
			return err
		}
		if _, _, err := p.ask(ctx, "pay", page, url.Values{"how": {"pay"}}); err != nil {
			return err
		}
	}
	uses, err = s.usesOf(ctx, on.capped)
	if err == nil && uses != l.cap {
		err = fmt.Errorf("the cap is not exact: %d of %d after somebody bought what was left", uses, l.cap)
	}
	return err
}

// shopper is one of them: a browser that is signed in.
type shopper struct {
	*shop
	client *http.Client
	base   string
	token  string // of forms
	on     sale
	seen   *tally
}

func (s *shop) shopper(ctx context.Context, base string, on sale, seen *tally) (*shopper, error) {
	id := "load-" + randomToken()[:16]
	// The password can't be used: signing in 200 times would measure password hashing.
	_, err := s.db.ExecContext(ctx, s.q(`INSERT INTO shop_customers (id, email, name, password, staff, joined) VALUES (?, ?, ?, '', 0, ?)`),
		id, id+"@example.com", "Shopper", s.now().UnixMicro())
	if err != nil {
		return nil, err
	}
	cookie := randomToken()
	_, err = s.db.ExecContext(ctx, s.q(`INSERT INTO shop_sessions (id, customer, visitor, expires) VALUES (?, ?, ?, ?)`),
		hashed(cookie), id, "v-"+id, time.Now().Add(sessionLife).UnixMicro())
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	jar.SetCookies(at, []*http.Cookie{{Name: cookieName, Value: cookie, Path: "/"}})
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{MaxIdleConnsPerHost: 2}}
	return &shopper{shop: s, client: client, base: base, token: s.formToken(cookie), on: on, seen: seen}, nil
}

// ask sends a request. Every answer but a page or a redirect is a failure.
func (p *shopper) ask(ctx context.Context, name, path string, form url.Values) (to, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+path, nil)
	if form != nil {
		form.Set("token", p.token)
		request, err = http.NewRequestWithContext(ctx, http.MethodPost, p.base+path, strings.NewReader(form.Encode()))
	}
	if err != nil {
		return "", "", err
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	began := time.Now()
	response, err := p.client.Do(request)
	if err != nil {
		return "", "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "", "", err
	}
	p.seen.count(func() { p.seen.took[name] = append(p.seen.took[name], time.Since(began)) })
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusSeeOther {
		return "", "", fmt.Errorf("%s: %s", name, response.Status)
	}
	return response.Header.Get("Location"), string(text), nil
}

var (
	totalField = regexp.MustCompile(`name="total" value="([0-9.]+)"`)
	refusedTag = regexp.MustCompile(`<p class="(?:refused|notice)"[^>]*>([^<]*)</p>`)
	aNumber    = regexp.MustCompile(`[0-9]+`)
)

// buys fills a cart, tries a code, checks out and pays, or not.
func (p *shopper) buys(ctx context.Context) error {
	code, other := p.on.code, p.on.codeSpent
	if rand.IntN(3) == 0 {
		code, other = other, code
	}
	if code == p.on.code {
		p.seen.count(func() { p.seen.wanted++ })
	}
	if err := p.fill(ctx, code, other); err != nil {
		return err
	}
	page, err := p.checkOut(ctx)
	if err != nil {
		return err
	}
	return p.pays(ctx, page)
}

// fill puts something into the cart, and types a code.
func (p *shopper) fill(ctx context.Context, code, other string) error {
	something := products[rand.IntN(len(products))].ID
	if _, _, err := p.ask(ctx, "put into cart", "/cart/put", url.Values{"product": {something}, "quantity": {"1"}, "add": {"1"}}); err != nil {
		return err
	}
	// A cart that was left alone may have the other one.
	if _, _, err := p.ask(ctx, "take back a code", "/cart/choose", url.Values{"drop": {other}}); err != nil {
		return err
	}
	_, _, err := p.ask(ctx, "type a code", "/cart/choose", url.Values{"code": {code}})
	return err
}

// checkOut looks at the cart and checks out, until nothing has changed between the two.
// It gives the page of the payment.
func (p *shopper) checkOut(ctx context.Context) (page string, err error) {
	for {
		_, body, err := p.ask(ctx, "look at the cart", "/cart", nil)
		if err != nil {
			return "", err
		}
		for _, refused := range refusedTag.FindAllStringSubmatch(body, -1) {
			p.seen.count(func() { p.seen.said[aNumber.ReplaceAllString(html.UnescapeString(refused[1]), "…")]++ })
		}
		total := totalField.FindStringSubmatch(body)
		if total == nil {
			return "", errors.New("look at the cart: it shows no total")
		}
		to, _, err := p.ask(ctx, "check out", "/checkout", url.Values{"total": {total[1]}})
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(to, "/pay/") {
			return to, nil
		} // the price has changed, or the last place went to somebody else: look again
	}
}

// pays pays, has a card declined first, cancels, or leaves.
func (p *shopper) pays(ctx context.Context, page string) error {
	how := []string{"pay"}
	switch n := rand.IntN(20); {
	case n == 0: // left: the next round goes on with the same cart
		p.seen.count(func() { p.seen.left++ })
		return nil
	case n == 1:
		how = []string{"cancel"}
	case n < 4:
		how = []string{"decline", "pay"}
	}
	for _, h := range how {
		if _, _, err := p.ask(ctx, h, page, url.Values{"how": {h}}); err != nil {
			return err
		}
	}
	p.seen.count(func() {
		if how[0] == "cancel" {
			p.seen.canceled++
		} else {
			p.seen.paid++
		}
	})
	return nil
}

// print says how many requests there were, and how long they took.
func (t *tally) print(out io.Writer, took time.Duration) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "REQUEST\tNUMBER\tA SECOND\tMEDIAN\t90 %\t99 %\tWORST\t")
	var all []time.Duration
	row := func(name string, times []time.Duration) {
		slices.Sort(times)
		at := func(q float64) time.Duration {
			return times[min(len(times)-1, int(q*float64(len(times))))].Round(100 * time.Microsecond)
		}
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%s\t%s\t%s\t%s\t\n", name, len(times), float64(len(times))/took.Seconds(), at(.5), at(.9), at(.99), at(1))
	}
	for _, name := range slices.Sorted(maps.Keys(t.took)) {
		row(name, t.took[name])
		all = append(all, t.took[name]...)
	}
	if len(all) > 0 {
		row("all", all)
	}
	_ = w.Flush()
	fmt.Fprintf(out, "\nOrders paid: %d, canceled: %d, left alone: %d\n", t.paid, t.canceled, t.left)
	for _, why := range slices.Sorted(maps.Keys(t.said)) {
		fmt.Fprintf(out, "Said %d times: %s\n", t.said[why], why)
	}
}

// afterSale holds what is kept against the limits.
func (s *shop) afterSale(ctx context.Context, l load, on sale, out io.Writer) error {
	capped, err := s.book.Balance(ctx, ledger.Account("discounts/"+on.capped), eur)
	if err != nil {
		return err
	}
	spent, err := s.book.Balance(ctx, ledger.Account("discounts/"+on.spent), eur)
	if err != nil {
		return err
	}
	uses, err := s.usesOf(ctx, on.capped)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "The code was used %d times of at most %d, and took off %s.\n", uses, l.cap, capped)
	fmt.Fprintf(out, "The budget of %s was used up to %s.\n", l.budget, spent)
	report, err := referral.Audit(ctx, s.store)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Audited: documents %d, counters %d, entries %d; discrepancies %d.\n", report.Documents, report.Counters, report.Entries, len(report.Discrepancies))
	switch {
	case uses > l.cap:
		return fmt.Errorf("the cap was exceeded: %d of %d", uses, l.cap)
	case spent.Minor() > l.budget.Minor():
		return fmt.Errorf("the budget was exceeded: %s of %s", spent, l.budget)
	}
	return report.Err()
}

// usesOf counts the paid orders that used an offer, each in its own redemption: not by
// the counter that is under test.
func (s *shop) usesOf(ctx context.Context, offer string) (n int64, err error) {
	orders, err := rows(ctx, s.db, func(r *sql.Rows, id *string) error { return r.Scan(id) }, `SELECT id FROM shop_orders WHERE state = 'paid' AND discount > 0`)
	if err != nil {
		return 0, err
	}
	for _, id := range orders {
		redemption, err := s.coupons.Redemption(ctx, id)
		if err != nil {
			return 0, err
		}
		if slices.ContainsFunc(redemption.Applied, func(a coupon.Applied) bool { return a.Offer == offer }) {
			n++
		}
	}
	return n, nil
}
