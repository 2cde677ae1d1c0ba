package main

import (
	"context"
	"crypto/hmac"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed static
var static embed.FS

// site shows the shop to browsers.
type site struct {
	*shop
	secure bool
	pages  map[string]*template.Template
}

func newSite(s *shop, secure bool) (*site, error) {
	t := &site{shop: s, secure: secure, pages: make(map[string]*template.Template)}
	files, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" {
			continue
		}
		page, err := template.New("layout.html").Funcs(functions).ParseFS(templates, "templates/layout.html", file)
		if err != nil {
			return nil, err
		}
		t.pages[name] = page
	}
	return t, nil
}

var functions = template.FuncMap{
	"price":    shown,
	"positive": func(m ledger.Money) bool { return m.Minor() > 0 },
	"day":      func(at time.Time) string { return at.Format("2 January 2006") },
	"clock":    func(at time.Time) string { return at.Format("2 Jan 2006, 15:04") },
	"seller":   func(id string) seller { return sellers[id] },
	"names":    func(id string) string { p, _ := findProduct(id); return p.Name },
	"plus":     func(a, b ledger.Money) ledger.Money { return ledger.Minor(a.Minor()+b.Minor(), eur) },
	"span":     span,
	"channel":  func(c referral.Channel) string { return channels[c] },
	"safe":     func(url string) template.URL { return template.URL(url) }, // of links the shop made itself
	"state":    func(s any) string { return strings.ReplaceAll(fmt.Sprint(s), "_", " ") },
}

// shown is an amount as English writes it, and as the coupons' own sentences do.
func shown(m ledger.Money) string {
	if amount, negative := strings.CutPrefix(m.Amount(), "-"); negative {
		return "−€" + amount
	}
	return "€" + m.Amount()
}

var channels = map[referral.Channel]string{
	referral.ChannelEmail: "E-mail", referral.ChannelWhatsApp: "WhatsApp", referral.ChannelX: "X",
	referral.ChannelFacebook: "Facebook", referral.ChannelTelegram: "Telegram",
}

// span writes a time of days, hours and minutes.
func span(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		n := d / unit.of
		d -= n * unit.of
		switch {
		case n == 1:
			parts = append(parts, "1 "+unit.name)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", n, unit.name))
		}
	}
	return strings.Join(parts, ", ")
}

// handler is all pages, behind what every request goes through.
func (t *site) handler() http.Handler {
	mux := http.NewServeMux()
	files, _ := fs.Sub(static, "static") // is there
	mux.Handle("GET /static/", http.StripPrefix("/static/", cached(http.FileServerFS(files))))
	t.routes(mux)
	return secured(mux)
}

func (t *site) routes(mux *http.ServeMux) {
	anyone := map[string]action{
		"GET /{$}": t.home, "GET /product/{id}": t.product, "GET /invite": t.invited,
		"GET /cart": t.cart, "POST /cart/put": t.putInCart, "POST /cart/choose": t.chooseCoupons,
		"GET /register": t.registerForm, "POST /register": t.registerPost,
		"GET /sign-in": t.signInForm, "POST /sign-in": t.signInPost, "POST /sign-out": t.signOutPost,
		"POST /language": t.setLanguage,
	}
	customers := map[string]action{
		"GET /account": t.account, "GET /account/friends": t.friends, "GET /account/coupons": t.wallet, "GET /account/qr": t.qr,
		"POST /checkout": t.checkoutPost, "GET /pay/{order}": t.payForm, "POST /pay/{order}": t.payPost,
		"GET /order/{order}": t.order, "POST /order/{order}/return": t.returnPost,
	}
	staff := map[string]action{
		"GET /staff": t.staff, "POST /staff/clock": t.staffClock,
		"GET /staff/offers": t.staffOffers, "GET /staff/offers/{id}": t.staffOffer, "POST /staff/offers/check": t.staffCheck,
		"POST /staff/offers/publish": t.staffPublish, "POST /staff/offers/{id}/pause": t.staffPause,
		"GET /staff/program": t.staffProgram, "POST /staff/program/pause": t.staffProgramPause,
		"POST /staff/program/check": t.staffProgramCheck, "POST /staff/program/publish": t.staffProgramPublish,
		"GET /staff/books": t.staffBooks, "GET /staff/books/journal": t.staffJournal, "GET /staff/sellers": t.staffSellers,
		"GET /staff/reviews": t.staffReviews, "POST /staff/reviews": t.staffReview, "POST /staff/books/audit": t.staffAudit,
	}
	for _, group := range []struct {
		pages map[string]action
		may   func(*session) bool
	}{
		{anyone, func(*session) bool { return true }},
		{customers, func(v *session) bool { return v.who.ID != "" }},
		{staff, func(v *session) bool { return v.who.Staff }},
	} {
		for pattern, do := range group.pages {
			mux.HandleFunc(pattern, t.serve(do, group.may))
		}
	}
	mux.HandleFunc("/", t.serve(func(*request) error { return errNotFound }, func(*session) bool { return true }))
}

// request is what an action works on.
type request struct {
	*http.Request
	w     http.ResponseWriter
	visit *session
}

// action answers a request, or fails.
type action func(*request) error

var (
	errNotFound = errors.New("this page does not exist")
	errForm     = errors.New("this form is out of date: go back, load the page again and send it once more")
)

// serve wraps an action in what all need: the visit, the form's token, and an answer
// when it fails.
func (t *site) serve(do action, may func(*session) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<18)
		visit, err := t.session(w, r)
		if err != nil {
			t.fail(&request{r, w, &session{}}, err)
			return
		}
		address, _, _ := net.SplitHostPort(r.RemoteAddr)
		q := &request{r.WithContext(trying(r.Context(), guesser{hashed(visit.token), address})), w, visit}
		if r.Method == http.MethodPost {
			if !hmac.Equal([]byte(q.PostFormValue("token")), []byte(t.formToken(visit.token))) {
				t.fail(q, errForm)
				return
			}
		}
		if !may(visit) {
			if visit.who.ID != "" {
				t.fail(q, errNotFound) // staff's pages are nobody else's business
				return
			}
			http.Redirect(w, r, "/sign-in?next="+safeNext(r), http.StatusSeeOther)
			return
		}
		if err := do(q); err != nil {
			t.fail(q, err)
		}
	}
}

// safeNext is where to go after signing in: a page of this site that can be looked at.
func safeNext(r *http.Request) string {
	if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/") && !strings.HasPrefix(r.URL.Path, "//") {
		return template.URLQueryEscaper(r.URL.Path)
	}
	return "/cart"
}

// view is what every page is given.
type view struct {
	Title       string
	Who         customer
	Token       string // of the forms
	Notice      string
	Language    string
	LanguageTag language.Tag
	Units       int64 // in the cart
	Ahead       time.Duration
	Page        any
}

func (t *site) show(q *request, status int, name, title string, page any) error {
	units, err := t.unitsIn(q.Context(), q.visit.cart)
	if err != nil {
		return err
	}
	if err := t.heard(q.Context(), q.visit); err != nil {
		return err
	}
	var b strings.Builder
	err = t.pages[name].Execute(&b, view{
		Title: title, Who: q.visit.who, Token: t.formToken(q.visit.token), Notice: q.visit.notice,
		Language: t.language(q).String(), LanguageTag: t.language(q), Units: units, Ahead: time.Duration(t.ahead.Load()).Round(time.Minute), Page: page,
	})
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	q.w.Header().Set("Cache-Control", "no-store")
	q.w.WriteHeader(status)
	_, _ = q.w.Write([]byte(b.String()))
	return nil
}

func (t *site) unitsIn(ctx context.Context, cart string) (n int64, err error) {
	if cart == "" {
		return 0, nil
	}
	err = t.db.QueryRowContext(ctx, t.q(`SELECT COALESCE(sum(quantity), 0) FROM shop_cart_lines WHERE cart = ?`), cart).Scan(&n)
	return n, err
}

// back says something and goes to a page of this site.
func (t *site) back(q *request, to, notice string) error {
	if notice != "" {
		if err := t.say(q.Context(), q.visit, notice); err != nil {
			return err
		}
	}
	http.Redirect(q.w, q.Request, to, http.StatusSeeOther)
	return nil
}

// fail answers with what went wrong, if it is the visitor's to know.
func (t *site) fail(q *request, err error) {
	status, text := http.StatusInternalServerError, "Something went wrong on our side. Nothing was charged; please try again."
	switch {
	case errors.Is(err, errNotFound), errors.Is(err, errNoOrder):
		status, text = http.StatusNotFound, sentence(err)
	case errors.Is(err, errForm):
		status, text = http.StatusForbidden, sentence(err)
	case errors.Is(err, coupon.ErrTooManyTries):
		status, text = http.StatusTooManyRequests, "Too many codes were tried. Please wait a few minutes."
	default:
		slog.Error("request", "method", q.Method, "path", q.URL.Path, "error", err)
	}
	if show := t.show(q, status, "error", "Sorry", text); show != nil {
		http.Error(q.w, text, status)
	}
}

func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// language is the reader's: the one they chose, or the browser's.
func (t *site) language(q *request) language.Tag {
	if cookie, err := q.Cookie("language"); err == nil {
		if tag, err := language.Parse(cookie.Value); err == nil {
			return matchLanguage(tag)
		}
	}
	tags, _, err := language.ParseAcceptLanguage(q.Header.Get("Accept-Language"))
	if err != nil {
		return language.English
	}
	return matchLanguage(tags...)
}

func matchLanguage(tags ...language.Tag) language.Tag {
	_, i, _ := language.NewMatcher([]language.Tag{language.English, language.French}).Match(tags...)
	return []language.Tag{language.English, language.French}[i]
}

func (t *site) setLanguage(q *request) error {
	tag, err := language.Parse(q.PostFormValue("language"))
	if err != nil {
		tag = language.English
	}
	http.SetCookie(q.w, &http.Cookie{Name: "language", Value: matchLanguage(tag).String(), Path: "/", MaxAge: 365 * 86400, HttpOnly: true, Secure: t.secure, SameSite: http.SameSiteLaxMode})
	return t.back(q, "/account/coupons", "")
}

// secured sets what browsers are to enforce. No page has scripts or styles of its own,
// so none from elsewhere, or typed into a form, ever runs.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=300")
		next.ServeHTTP(w, r)
	})
}
