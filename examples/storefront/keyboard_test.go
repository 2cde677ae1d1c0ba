package main

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// focused is what has the keyboard, as somebody sees it who has nothing else.
type focused struct {
	Name    string // of the link, the button or the field
	Outline bool   // it is marked
	Seen    bool   // it is in the window
}

const focusedScript = `(() => {
	const e = document.activeElement;
	if (!e || e === document.body) return {name: "", outline: true, seen: true};
	const style = getComputedStyle(e), box = e.getBoundingClientRect();
	const label = e.labels && e.labels.length ? e.labels[0] : e;
	return {
		name: (label.textContent || e.value || "").trim().replace(/\s+/g, " "),
		outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
		seen: box.width > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
	};
})()`

// tabsTo goes on with the tab key until what is called so has the keyboard. All on the
// way can be seen, and is marked.
func (v *visitor) tabsTo(name string) {
	v.t.Helper()
	var passed []string
	for range 80 {
		v.run(chromedp.KeyEvent(kb.Tab))
		at := asked(v, chromedp.Evaluate[focused](focusedScript))
		require.True(v.t, at.Outline, "%q is not marked when it has the keyboard, at %s", at.Name, v.where())
		require.True(v.t, at.Seen, "%q has the keyboard out of sight, at %s", at.Name, v.where())
		if at.Name == name {
			return
		}
		passed = append(passed, at.Name)
	}
	require.Failf(v.t, "the tab key does not lead there", "%q at %s; it leads to %q", name, v.where(), passed)
}

func (v *visitor) types(text string) {
	v.t.Helper()
	v.run(chromedp.KeyEvent(text))
}

// enters presses Enter where that leads to another page, and waits for it.
func (v *visitor) enters() {
	v.t.Helper()
	ctx, cancel := v.patience()
	defer cancel()
	_, err := chromedp.RunResponse(ctx, chromedp.KeyEvent(kb.Enter))
	require.NoError(v.t, err, "%s presses Enter at %s", v.name, v.where())
}

// Somebody without a mouse finds a product, opens an account, uses a code, pays, and
// sends a unit back: by Tab, Enter and what they type.
func TestBrowserByKeyboard(t *testing.T) {
	browser := startChromium(t)
	shop := openFor(t)
	kim := shop.visitor(browser, "Kim")
	_, err := chromedp.Call(kim.ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	require.NoError(t, err)

	kim.open("/")
	kim.tabsTo("To the content")
	kim.picture("keyboard-skip")
	kim.run(chromedp.KeyEvent(kb.Enter)) // past what every page begins with
	kim.tabsTo("Teapot “Morning”")
	kim.picture("keyboard-product")
	kim.enters()
	kim.tabsTo("Add to cart")
	kim.enters()
	kim.tabsTo("Open an account")
	kim.enters()
	for _, field := range [][2]string{{"What to call you", "Kim"}, {"E-mail", "kim@example.com"}, {"Password", "a long password"}} {
		kim.tabsTo(field[0])
		kim.types(field[1])
	}
	kim.tabsTo("Open the account")
	kim.enters()
	kim.sees("Welcome, Kim!")
	kim.tabsTo("Cart 1")
	kim.enters()
	kim.tabsTo("A code")
	kim.types("TEATIME")
	kim.picture("keyboard-code")
	kim.enters()
	kim.tabsTo("Check out")
	kim.enters()
	kim.sees("Pay your order")
	kim.tabsTo("Try a card that is declined")
	kim.enters()
	kim.sees("declined")
	kim.tabsTo("Pay " + kim.total())
	kim.enters()
	kim.sees("Your order", "paid")
	kim.tabsTo("Return Teapot “Morning”")
	kim.enters()
	kim.sees("You get back")
}

// total is what the page says is to pay.
func (v *visitor) total() string {
	v.t.Helper()
	return asked(v, chromedp.Text(chromedp.CSS("dd.total")))
}
