package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
)

// staffPage is how the shop is doing.
type staffPage struct {
	Funnel    template.HTML
	Discounts template.HTML
	Orders    int64
	Now       time.Time
	Steps     map[string]string // by which the clock can be put forward
}

func (t *site) staff(q *request) error {
	ctx := q.Context()
	funnel, err := t.funnel(ctx)
	if err != nil {
		return err
	}
	perDay, err := t.discountsPerDay(ctx)
	if err != nil {
		return err
	}
	page := staffPage{
		Funnel: barChart("From invitation to reward", funnel), Discounts: columnChart("Discounts per day", perDay), Now: t.now(),
		Steps: map[string]string{"20m": "20 minutes", "3h": "3 hours", "72h": "3 days", "744h": "31 days"},
	}
	err = t.db.QueryRowContext(ctx, t.q(`SELECT count(*) FROM shop_orders WHERE state = 'paid'`)).Scan(&page.Orders)
	if err != nil {
		return err
	}
	return t.show(q, 200, "staff", "The shop", page)
}

// funnel counts referrals by how far they came, in the reporting views.
func (t *site) funnel(ctx context.Context) ([]bar, error) {
	one := func(query string) (n int64, err error) {
		err = t.db.QueryRowContext(ctx, query).Scan(&n)
		return n, err
	}
	registered, err := one(`SELECT count(*) FROM vouch_referrals`)
	bought, err2 := one(`SELECT count(*) FROM vouch_referrals WHERE order_id <> ''`)
	rewarded, err3 := one(`SELECT count(*) FROM vouch_rewards WHERE side = 'referrer' AND state = 'granted'`)
	back, err4 := one(`SELECT count(*) FROM vouch_referrals WHERE state IN ('voided', 'reversed')`)
	return []bar{
		{"friends registered", registered}, {"friends bought", bought}, {"referrers rewarded", rewarded}, {"taken back", back},
	}, errors.Join(err, err2, err3, err4)
}

// discountsPerDay sums what was taken off, by day, over the last 30 days of the clock.
func (t *site) discountsPerDay(ctx context.Context) ([]bar, error) {
	const day = 24 * time.Hour
	today := t.now().Truncate(day)
	first := today.Add(-29 * day)
	type paidOrder struct{ at, discount int64 }
	orders, err := rows(ctx, t.db, func(r *sql.Rows, o *paidOrder) error { return r.Scan(&o.at, &o.discount) },
		t.q(`SELECT paid, discount FROM shop_orders WHERE state = 'paid' AND paid >= ?`), first.UnixMicro())
	if err != nil {
		return nil, err
	}
	days := make([]bar, 30)
	for i := range days {
		days[i].Name = first.Add(time.Duration(i) * day).Format("2 Jan")
	}
	for _, o := range orders {
		if i := int(time.UnixMicro(o.at).UTC().Sub(first) / day); i >= 0 && i < len(days) {
			days[i].N += o.discount
		}
	}
	return days, nil
}

func (t *site) staffClock(q *request) error {
	d, err := time.ParseDuration(q.PostFormValue("by"))
	if err != nil {
		return t.back(q, "/staff", "Say by how much, as in 24h.")
	}
	if err := t.putForward(q.Context(), d); err != nil {
		return t.back(q, "/staff", sentence(err))
	}
	if err := t.settle(q.Context()); err != nil {
		return err
	}
	return t.back(q, "/staff", "The clock was put forward, and what is due was done.")
}

// offersPage lists the offers, with those that are paused.
type offersPage struct{ Offers []offerStatus }

type offerStatus struct {
	ID, Name string
	Version  int64
	Paused   bool
}

func (t *site) staffOffers(q *request) error {
	offers, err := rows(q.Context(), t.db, func(r *sql.Rows, o *offerStatus) error {
		return r.Scan(&o.ID, &o.Version, &o.Paused)
	}, `SELECT offer_id, latest_version, paused FROM vouch_offers ORDER BY offer_id`)
	if err != nil {
		return err
	}
	for i := range offers {
		offer, err := t.coupons.Offer(q.Context(), offers[i].ID, 0, t.now())
		if err != nil {
			return err
		}
		offers[i].Name = offer.Name
	}
	return t.show(q, 200, "offers", "Offers", offersPage{offers})
}

// offerPage is an offer's document, to be changed and tried out.
type offerPage struct {
	ID, Document string
	Paused       bool
	Check        checked
}

const newOffer = `{
  "id": "summer", "name": "10 % off in summer",
  "benefit": {"type": "percent", "percent": "10"},
  "conditions": [{"type": "minimum_spend", "amounts": {"EUR": "30.00"}}],
  "limits": [{"per": "customer", "uses": 1}]
}`

func (t *site) staffOffer(q *request) error {
	page := offerPage{ID: q.PathValue("id"), Document: newOffer}
	if page.ID != "new" {
		offer, err := t.coupons.Offer(q.Context(), page.ID, 0, t.now())
		if errors.Is(err, coupon.ErrNoOffer) || errors.Is(err, coupon.ErrRequest) {
			return errNotFound
		}
		if err != nil {
			return err
		}
		document, err := json.MarshalIndent(offer, "", "  ")
		if err != nil {
			return err
		}
		page.Document = string(document)
		err = t.db.QueryRowContext(q.Context(), t.q(`SELECT paused FROM vouch_offers WHERE offer_id = ?`), page.ID).Scan(&page.Paused)
		if err != nil {
			return err
		}
	}
	page.Check = t.check(q, page.Document)
	return t.show(q, 200, "offer", "Offer "+page.ID, page)
}

// staffCheck answers the page's script while somebody types.
func (t *site) staffCheck(q *request) error {
	return answerJSON(q, t.check(q, q.PostFormValue("document")))
}

func answerJSON(q *request, answer any) error {
	q.w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(q.w).Encode(answer)
}

func (t *site) staffPublish(q *request) error {
	document := q.PostFormValue("document")
	offer, err := coupon.ParseOffer([]byte(document))
	if err == nil {
		offer.Version = 0
		offer, err = t.coupons.Publish(q.Context(), offer, q.visit.who.Email, t.now())
	}
	if errors.Is(err, coupon.ErrOffer) {
		page := offerPage{ID: q.PostFormValue("id"), Document: document, Check: t.check(q, document)}
		return t.show(q, 422, "offer", "Offer "+page.ID, page)
	}
	if err != nil {
		return err
	}
	return t.back(q, "/staff/offers/"+offer.ID, "Published.")
}

func (t *site) staffPause(q *request) error {
	id, change := q.PathValue("id"), t.coupons.Pause
	if q.PostFormValue("resume") != "" {
		change = t.coupons.Resume
	}
	if err := change(q.Context(), id, q.visit.who.Email, reasonOf(q), t.now()); err != nil {
		return err
	}
	return t.back(q, "/staff/offers", "Done.")
}

func reasonOf(q *request) string {
	if reason := q.PostFormValue("reason"); reason != "" {
		return reason
	}
	return "no reason given"
}

// programPage is the referral program's document.
type programPage struct {
	Document string
	Version  int
	Paused   bool
	Check    checked
}

func (t *site) staffProgram(q *request) error {
	terms, err := t.referrals.Program(q.Context(), program, 0)
	if err != nil {
		return err
	}
	document, err := json.MarshalIndent(terms, "", "  ")
	if err != nil {
		return err
	}
	return t.showProgram(q, 200, string(document))
}

func (t *site) showProgram(q *request, status int, document string) error {
	page := programPage{Document: document, Check: t.checkProgram(q, document)}
	runs, err := t.referrals.Status(q.Context(), program)
	if err != nil {
		return err
	}
	page.Version, page.Paused = runs.Version, runs.Paused
	return t.show(q, status, "program", "The referral program", page)
}

func (t *site) staffProgramCheck(q *request) error {
	return answerJSON(q, t.checkProgram(q, q.PostFormValue("document")))
}

// staffProgramPublish publishes the next version. Friends who were bound before stay
// with theirs.
func (t *site) staffProgramPublish(q *request) error {
	document := q.PostFormValue("document")
	terms, err := referral.ParseProgram([]byte(document))
	if err == nil && terms.ID != program {
		return t.back(q, "/staff/program", "The shop runs one program: leave its id as it is.")
	}
	if err == nil {
		terms.Version = 0
		_, err = t.referrals.Publish(q.Context(), terms, q.visit.who.Email, t.now())
	}
	if errors.Is(err, referral.ErrProgram) || errors.Is(err, coupon.ErrNoOffer) {
		return t.showProgram(q, 422, document)
	}
	if err != nil {
		return err
	}
	return t.back(q, "/staff/program", "Published.")
}

func (t *site) staffProgramPause(q *request) error {
	change := t.referrals.Pause
	if q.PostFormValue("resume") != "" {
		change = t.referrals.Resume
	}
	if err := change(q.Context(), program, q.visit.who.Email, reasonOf(q), t.now()); err != nil {
		return err
	}
	return t.back(q, "/staff/program", "Done.")
}

// booksPage is the books: one account's statement, and what the audit says.
type booksPage struct {
	Accounts  []ledger.Account
	Account   ledger.Account
	Statement ledger.Statement
	Audit     *ledger.AuditReport
}

func (t *site) staffBooks(q *request) error { return t.showBooks(q, nil) }

func (t *site) showBooks(q *request, audit *ledger.AuditReport) error {
	ctx := q.Context()
	page := booksPage{Audit: audit, Accounts: []ledger.Account{"promotions/platform"}}
	for id := range sellers {
		page.Accounts = append(page.Accounts, coupon.SellerAccount(id))
	}
	offers, err := rows(ctx, t.db, func(r *sql.Rows, a *ledger.Account) error { return r.Scan(a) }, `SELECT offer_id FROM vouch_offers`)
	if err != nil {
		return err
	}
	for _, id := range offers {
		page.Accounts = append(page.Accounts, "discounts/"+id)
	}
	slices.Sort(page.Accounts)
	page.Account = ledger.Account(q.FormValue("account"))
	if !slices.Contains(page.Accounts, page.Account) {
		page.Account = "promotions/platform"
	}
	page.Statement, err = t.book.Statement(ctx, page.Account, ledger.StatementQuery{Limit: 50, After: q.FormValue("after")})
	if err != nil {
		return err
	}
	return t.show(q, 200, "books", "The books", page)
}

func (t *site) staffAudit(q *request) error {
	report, err := referral.Audit(q.Context(), t.store)
	if err != nil {
		return err
	}
	return t.showBooks(q, &report)
}

// sellersPage is what a seller is owed.
type sellersPage struct {
	Sellers   []string
	Seller    string
	Statement coupon.Statement
}

func (t *site) staffSellers(q *request) (err error) {
	page := sellersPage{Sellers: slices.Sorted(maps.Keys(sellers)), Seller: q.FormValue("seller")}
	if _, exists := sellers[page.Seller]; !exists {
		page.Seller = page.Sellers[0]
	}
	page.Statement, err = t.coupons.Statement(q.Context(), page.Seller, ledger.StatementQuery{Limit: 50, After: q.FormValue("after")})
	if err != nil {
		return err
	}
	return t.show(q, 200, "sellers", "Settlement of sellers", page)
}

// staffJournal gives the whole book, for hledger.
func (t *site) staffJournal(q *request) error {
	q.w.Header().Set("Content-Type", "text/plain; charset=us-ascii")
	q.w.Header().Set("Content-Disposition", `attachment; filename="vouch.journal"`)
	if err := ledger.Journal(q.Context(), t.store, q.w); err != nil {
		panic(http.ErrAbortHandler) // half a journal must not look like a whole one
	}
	return nil
}
