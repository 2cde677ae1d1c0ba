package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/referral"
)

// Tests in a real browser: Chromium without a window. Screenshots are written where
// VOUCH_SCREENSHOTS says, if it does.

// absent skips a test for what is not on the machine; where everything is checked it
// must be.
func absent(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func startChromium(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		absent(t, "skipped: Chromium is not installed; `apt-get install chromium` brings it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-features", "Translate,BackForwardCache"), // a page shown again is asked for again
		chromedp.Flag("force-prefers-reduced-motion", true), chromedp.WindowSize(1200, 900),
		chromedp.WSURLReadTimeout(patience))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx))
	return ctx
}

// running is the shop on a port, over a file that outlives it.
type running struct {
	*shop
	t        *testing.T
	address  string
	server   *http.Server
	stopped  chan struct{}
	database string
}

func openFor(t *testing.T) *running {
	t.Helper()
	r := &running{t: t, database: filepath.Join(t.TempDir(), "shop.db"), address: "127.0.0.1:0"}
	r.start()
	t.Cleanup(func() {
		report, err := referral.Audit(context.Background(), r.store)
		r.stop()
		require.NoError(t, err)
		require.NoError(t, report.Err())
	})
	return r
}

func (r *running) start() {
	r.t.Helper()
	shop, err := openShop(context.Background(), r.database, "staff-password")
	require.NoError(r.t, err)
	site, err := newSite(shop, false)
	require.NoError(r.t, err)
	listener, err := net.Listen("tcp", r.address)
	require.NoError(r.t, err)
	r.shop, r.address = shop, listener.Addr().String()
	r.server, r.stopped = &http.Server{Handler: site.handler()}, make(chan struct{})
	go func() {
		defer close(r.stopped)
		_ = r.server.Serve(listener)
	}()
}

// stop ends the server as a crash would, as far as its clients can tell.
func (r *running) stop() {
	r.t.Helper()
	require.NoError(r.t, r.server.Close())
	<-r.stopped
	require.NoError(r.t, r.db.Close())
}

// visitor is one person with a browser of their own: no cookies are shared.
type visitor struct {
	t    *testing.T
	ctx  context.Context
	shop *running
	name string
}

func (r *running) visitor(browser context.Context, name string) *visitor {
	r.t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	r.t.Cleanup(cancel)
	require.NoError(r.t, chromedp.Do(ctx)) // opens the window, which lasts as long as this context
	v := &visitor{r.t, ctx, r, name}
	v.run(chromedp.EmulateViewport(1200, 900))
	return v
}

// window is another window of the same person's.
func (v *visitor) window() *visitor {
	v.t.Helper()
	ctx, cancel := chromedp.NewContext(v.ctx)
	v.t.Cleanup(cancel)
	require.NoError(v.t, chromedp.Do(ctx))
	w := &visitor{v.t, ctx, v.shop, v.name}
	w.run(chromedp.EmulateViewport(1200, 900))
	return w
}

func (v *visitor) run(actions ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	asked(v, chromedp.Steps(actions...))
}

// patience is how long anything may take: long, for busy machines and the race detector.
const patience = 3 * time.Minute

func (v *visitor) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(v.ctx, patience)
}

// asked runs an action that has an answer.
func asked[T any](v *visitor, action chromedp.Action[T]) T {
	v.t.Helper()
	ctx, cancel := v.patience()
	defer cancel()
	answer, err := chromedp.Run(ctx, action)
	require.NoError(v.t, err, v.name)
	return answer
}

func (v *visitor) where() string { return asked(v, chromedp.Location()) }

// script runs JavaScript in the page.
func (v *visitor) script(text string) {
	v.t.Helper()
	v.run(chromedp.Evaluate[chromedp.Void](text))
}

func (v *visitor) open(path string) {
	v.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = "http://" + v.shop.address + path
	}
	v.run(chromedp.Navigate(path))
}

// press clicks what leads to another page, and waits for it.
func (v *visitor) press(selector string) {
	v.t.Helper()
	ctx, cancel := v.patience()
	defer cancel()
	_, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector)))
	require.NoError(v.t, err, "%s presses %s", v.name, selector)
}

func (v *visitor) fill(selector, text string) {
	v.t.Helper()
	v.run(chromedp.Clear(chromedp.CSS(selector)), chromedp.SendKeys(chromedp.CSS(selector), text))
}

func (v *visitor) text() string {
	v.t.Helper()
	text := asked(v, chromedp.Text(chromedp.CSS("main")))
	return strings.NewReplacer("\u00a0", " ", "\n: ", ": ").Replace(text)
}

func (v *visitor) sees(parts ...string) {
	v.t.Helper()
	text := v.text()
	for _, part := range parts {
		require.Contains(v.t, text, part, "%s at %s", v.name, v.where())
	}
}

func (v *visitor) register(name, code string) {
	v.t.Helper()
	v.open("/register")
	v.fill("#name", name)
	v.fill("#email", strings.ToLower(name)+"@example.com")
	v.fill("#password", "a long password")
	if code != "" {
		v.fill("#code", code)
	}
	v.press("main form button")
}

func (v *visitor) buys(products ...string) {
	v.t.Helper()
	for _, p := range products {
		v.open("/product/" + p)
		v.press("main form button")
	}
}

// look is a screen, and what its owner prefers.
type look struct {
	name, scheme  string
	width, height int64
}

// looks are those that are checked, each screen and each scheme once; where pictures are
// kept, every screen in every scheme.
func looks() []look {
	all := []look{{"desktop-light", "light", 1200, 900}, {"phone-dark", "dark", 390, 844}}
	if os.Getenv("VOUCH_SCREENSHOTS") != "" {
		all = append(all, look{"desktop-dark", "dark", 1200, 900}, look{"phone-light", "light", 390, 844})
	}
	return all
}

// shows looks at a page with axe-core, on a desktop and on a phone, in light and dark,
// and keeps pictures of it.
func (v *visitor) shows(name string) {
	v.t.Helper()
	for _, look := range looks() {
		v.run(chromedp.EmulateViewport(look.width, look.height))
		v.scheme(look.scheme)
		v.picture(name + "-" + look.name)
		v.accessible(name + ", " + look.name)
		wide := chromedp.Evaluate[bool](`document.documentElement.scrollWidth > window.innerWidth`)
		require.False(v.t, asked(v, wide), "%s is wider than the screen: %s", name, look.name)
	}
	v.run(chromedp.EmulateViewport(1200, 900))
	v.scheme("light")
}

// scheme is what the visitor's system asks for: light or dark.
func (v *visitor) scheme(scheme string) {
	v.t.Helper()
	ctx, cancel := v.patience()
	defer cancel()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	require.NoError(v.t, err)
}

func (v *visitor) picture(name string) {
	v.t.Helper()
	folder := os.Getenv("VOUCH_SCREENSHOTS")
	if folder == "" {
		return
	}
	png := asked(v, chromedp.FullScreenshot(100))
	require.NoError(v.t, os.MkdirAll(folder, 0o755))
	require.NoError(v.t, os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644))
}

// accessible asks axe-core what is wrong with the page for those who can't see, hear or
// use a mouse well.
func (v *visitor) accessible(what string) {
	v.t.Helper()
	axe := os.Getenv("VOUCH_AXE")
	if axe == "" {
		if os.Getenv("CI") != "" {
			v.t.Fatal("VOUCH_AXE must name axe-core's axe.min.js")
		}
		return // said once, by TestBrowser
	}
	script, err := os.ReadFile(axe)
	require.NoError(v.t, err)
	var found []struct {
		ID, Help string
		Nodes    []struct{ HTML, FailureSummary string }
	}
	text := asked(v, chromedp.Evaluate[string](string(script)+`; axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}).then(r => JSON.stringify(r.violations))`, chromedp.EvalAwaitPromise))
	require.NoError(v.t, json.Unmarshal([]byte(text), &found))
	var faults []string
	for _, f := range found {
		for _, n := range f.Nodes {
			faults = append(faults, fmt.Sprintf("%s: %s: %s\n%s", f.ID, f.Help, n.HTML, n.FailureSummary))
		}
	}
	require.Empty(v.t, faults, what)
}
