package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/referral"
)

// value gives the value of a field.
func (v *visitor) value(selector string) string {
	v.t.Helper()
	return asked(v, chromedp.Value(chromedp.CSS(selector)))
}

// later puts the shop's clock forward and does what is due.
func (r *running) later(d time.Duration) {
	r.t.Helper()
	require.NoError(r.t, r.putForward(context.Background(), d))
	require.NoError(r.t, r.settle(context.Background()))
}

// Two visitors and a member of staff go through the whole story.
func TestBrowserStory(t *testing.T) {
	browser := startChromium(t)
	if os.Getenv("VOUCH_AXE") == "" {
		t.Log("without VOUCH_AXE, the path of axe-core's axe.min.js, accessibility is not checked")
	}
	shop := openFor(t)
	jane, ada, carla := shop.visitor(browser, "Jane"), shop.visitor(browser, "Ada"), shop.visitor(browser, "Carla")

	jane.open("/")
	jane.sees("A market of small makers", "Zephyr Kites", "can't be used on this seller's products")
	jane.shows("home")
	jane.register("Jane", "")
	jane.sees("Welcome, Jane!", "You have no coupon at the moment")
	jane.open("/account")
	jane.sees("Invite my friends", "0 of 8 so far")
	jane.shows("account")
	link := jane.value("#link")
	require.Contains(t, link, "/invite?code=")

	ada.open(link)
	ada.sees("A friend has invited you")
	ada.shows("invited")
	ada.register("Ada", "")
	ada.sees("Your friend's invitation has brought you 2 coupons", "3 € welcome", "10 % welcome")
	ada.buys("teapot", "kite")
	ada.sees("Together")
	ada.run(chromedp.Click(chromedp.CSS(`input[name=coupon]`)))
	ada.run(chromedp.WaitVisible(chromedp.CSS(".sums .off")))
	ada.sees("To pay", "this seller does not take part")
	ada.shows("cart")
	ada.open("/account/coupons")
	ada.sees("saves most on your cart")
	ada.shows("coupons")
	ada.open("/cart")
	ada.press(`form[action="/checkout"] button`)
	ada.sees("Pay your order", "Your price is held for 1")
	ada.shows("pay")
	ada.press(`button[value=decline]`)
	ada.sees("declined", "your coupons are still held")
	ada.press(`button[value=pay]`)
	ada.sees("Your order", "paid", "Paid")
	ada.shows("order")

	jane.open("/account/friends")
	jane.sees("registered: done", "bought something: done", "your coupon: to come")
	require.NotContains(t, jane.text(), "Ada", "friends are not named")
	jane.shows("friends")

	carla.open("/staff")
	carla.fill("#email", staffEmail)
	carla.fill("#password", "staff-password")
	carla.press("main form button")
	carla.sees("From invitation to reward", "Discounts per day")
	carla.press(`button[value="3h"]`)
	carla.sees("what is due was done")
	carla.shows("staff")

	jane.open("/account/friends")
	jane.sees("your coupon: done", "1 of 8 so far")
	jane.open("/account/coupons")
	jane.sees("5 € for a friend")

	ada.open("/account")
	ada.press(`a[href^="/order/"]`)
	ada.press(`form button.quiet.wide`)
	ada.sees("You get back")
	jane.open("/account/coupons")
	jane.sees("taken back")
	carla.staffWork()
}

// write replaces the document, as by pasting another.
func (v *visitor) write(document string) {
	v.t.Helper()
	v.script(`(() => { const d = document.getElementById("document"); d.value = ` + strconv.Quote(document) + `; d.dispatchEvent(new Event("input", {bubbles: true})) })()`)
}

// staffWork is what a member of staff does with offers and books.
func (v *visitor) staffWork() {
	v.t.Helper()
	v.open("/staff/offers")
	v.sees("15 % off lamps", "Free shipping")
	v.shows("offers")
	v.open("/staff/offers/new")
	v.sees("Tried on sample carts", "Fine print")
	v.write(strings.Replace(newOffer, `"10"`, `"110"`, 1))
	v.run(chromedp.WaitVisible(`//ul[@data-list="faults"]/li[not(@class)]`))
	v.sees("benefit.percent")
	v.write(newOffer)
	v.run(chromedp.WaitVisible(`//ul[@data-list="faults"]/li[@class="none"]`))
	v.shows("offer")
	v.press(`form[action="/staff/offers/publish"] button`)
	v.sees("Published.")
	v.open("/staff/offers")
	v.fill(`form[action="/staff/offers/tea-time/pause"] input[name=reason]`, "too much tea")
	v.press(`form[action="/staff/offers/tea-time/pause"] button`)
	v.sees("paused")
	v.open("/staff/program")
	v.sees("It is on, in version 1", "Terms and conditions", "5 € for a friend")
	v.shows("program")
	v.write(strings.Replace(v.value("#document"), `"friends": 8`, `"friends": 0`, 1))
	v.run(chromedp.WaitVisible(`//ul[@data-list="faults"]/li[not(@class)]`))
	v.write(strings.Replace(v.value("#document"), `"friends": 0`, `"friends": 12`, 1))
	v.run(chromedp.WaitVisible(`//ul[@data-list="faults"]/li[@class="none"]`))
	v.press(`form[action="/staff/program/publish"] button`)
	v.sees("It is on, in version 2")
	v.open("/staff/sellers?seller=acme")
	v.sees("What Acme Tea is owed", "sold", "refunded")
	v.shows("sellers")
	v.open("/staff/books?account=discounts/welcome-10")
	v.sees("Statement of discounts/welcome-10")
	v.press(`form[action="/staff/books/audit"] button`)
	v.sees("no discrepancies")
	v.shows("books")
}

// The ways that go wrong.
func TestBrowserUnhappyWays(t *testing.T) {
	browser := startChromium(t)
	shop := openFor(t)
	jane := shop.visitor(browser, "Jane")
	jane.register("Jane", "")
	jane.open("/account")
	link := jane.value("#link")

	t.Run("own link", func(t *testing.T) {
		jane.open(link)
		jane.sees("This is your own link")
	})
	t.Run("a link of nobody's", func(t *testing.T) {
		who := shop.visitor(browser, "Nobody")
		who.open("/invite?code=ABCDE-FGHJK-MNPQ")
		who.sees("not one of ours")
	})
	t.Run("the link was followed too long ago", func(t *testing.T) {
		late := shop.visitor(browser, "Late")
		late.open(link)
		late.sees("A friend has invited you")
		shop.later(31 * 24 * time.Hour)
		late.register("Late", "")
		late.sees("Welcome, Late!", "You have no coupon")
	})
	ben := shop.visitor(browser, "Ben")
	ben.open(link)
	ben.register("Ben", "")
	t.Run("a second coupon", func(t *testing.T) {
		ben.buys("teapot", "cup")
		ben.script(`for (const box of document.querySelectorAll("input[name=coupon]")) box.checked = true`)
		ben.press(`form[data-send] button`)
		ben.sees("can't be combined with")
	})
	t.Run("codes are not guessed", func(t *testing.T) {
		for range mostOfVisit {
			ben.open("/cart")
			ben.fill("input[name=code]", "GUESS1")
			ben.press(`input[name=code] ~ button, label:has(input[name=code]) + button`)
		}
		ben.fill("input[name=code]", "TEATIME")
		ben.press(`label:has(input[name=code]) + button`)
		ben.sees("Too many codes")
		shop.limiter.forget()
	})
	t.Run("two windows pay, one twice", func(t *testing.T) {
		ben.open("/cart")
		ben.press(`form[action="/checkout"] button`)
		other := ben.window()
		other.open(strings.TrimPrefix(ben.where(), "http://"+shop.address))
		other.script(`for (const form of document.querySelectorAll("form")) delete form.dataset.once`)
		ben.press(`button[value=pay]`)
		ben.sees("Your order")
		other.press(`button[value=pay]`)
		other.sees("Your order")
		var n int
		require.NoError(t, shop.db.QueryRow(`SELECT count(*) FROM shop_orders WHERE state = 'paid'`).Scan(&n))
		require.Equal(t, 1, n)
		ben.run(chromedp.NavigateBack()) // to the page of the payment, which leads to what is done
		ben.sees("Your order")
	})
	t.Run("left alone, paid late, and the server restarted meanwhile", func(t *testing.T) {
		ben.buys("teapot", "cup")
		ben.run(chromedp.Click(chromedp.CSS(`input[name=coupon]`)))
		ben.run(chromedp.WaitVisible(chromedp.CSS(".sums .off")))
		ben.press(`form[action="/checkout"] button`)
		shop.stop()
		shop.start()
		shop.later(time.Hour)
		ben.run(chromedp.Reload())
		ben.sees("not held any longer")
		ben.press(`button[value=pay]`)
		ben.sees("Your order", "paid") // the coupon was still there
	})
	t.Run("an order is canceled", func(t *testing.T) {
		ben.buys("cup")
		ben.press(`form[action="/checkout"] button`)
		ben.press(`button[value=cancel]`)
		ben.sees("The order is canceled", "Cup, handmade")
		ben.press(`form[action="/checkout"] button`)
		ben.press(`button[value=pay]`)
		ben.sees("Your order", "paid")
	})
	t.Run("too many friends at once", func(t *testing.T) {
		for _, name := range []string{"Dora", "Emil", "Fay", "Gus", "Hal"} {
			visitor := "v-" + name
			_, err := shop.referrals.Touch(t.Context(), referral.TouchRequest{ID: "1", Visitor: visitor, Code: link[strings.Index(link, "code=")+5:]}, shop.now())
			require.NoError(t, err)
			_, _, err = shop.register(t.Context(), registration{Name: name, Email: name + "@example.com", Password: "a long password"}, visitor)
			require.NoError(t, err)
		}
		carla := shop.visitor(browser, "Carla")
		carla.open("/staff/reviews")
		carla.fill("#email", staffEmail)
		carla.fill("#password", "staff-password")
		carla.press("main form button")
		carla.sees("velocity")
		carla.shows("reviews")
		carla.fill(`input[name=reason]`, "five of one household")
		carla.press(`button[value="deny-referrer"]`)
		carla.sees("Decided.", "Nothing waits", "five of one household")
	})
}

// forget lets everybody try again, as when the time is over.
func (l *limiter) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.tries)
}
