package referral

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
)

//go:embed presets/*.json
var presets embed.FS

// Presets names the programs of well-known shops that are here as data.
func Presets() []string {
	files, _ := presets.ReadDir("presets") // it is embedded: it is there
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".json"))
	}
	return names
}

// PresetDocument is the document of a preset, with what is published of that shop's
// program and nothing in place of what is not; empty for a name that is none of
// [Presets]. The function of that name fills in the rest: what is not published is a
// parameter.
func PresetDocument(name string) string {
	if !slices.Contains(Presets(), name) {
		return ""
	}
	text, _ := presets.ReadFile("presets/" + name + ".json")
	return string(text)
}

// preset is the program of a preset's document under an id of the shop's own.
func preset(name, id string) Program {
	p, r := readProgramDocument([]byte(PresetDocument(name)))
	if err := faultsOf(r); err != nil { // a test reads them all
		panic(fmt.Sprintf("referral: preset %s: %v", name, err))
	}
	p.ID = id
	return p
}

func once(m ledger.Money) coupon.Amounts { return coupon.Amounts{m} }

// AliExpress is the program of the marketplace of that name: the friend, who never
// registered before, gets a set of coupons on registering by the personal link; the
// referrer gets one coupon for the friend's first payment, of any amount, within 24
// hours; a cancelled or refunded order earns nothing; a limited number of friends
// counts. The number is not published, so it is a parameter, like the coupons.
func AliExpress(id string, friends int64, welcome []coupon.IssueOffer, reward coupon.IssueOffer) Program {
	p := preset("aliexpress", id)
	p.Rewards[0].Coupons, p.Rewards[1].Coupons = welcome, []coupon.IssueOffer{reward}
	p.Caps[0].Friends = friends
	return p
}

// Ebay is eBay's: both sides are rewarded alike, with 5 to 10 euros back, for the
// friend's first purchase. How long it waits for returns and how many friends count is
// not published.
func Ebay(id string, amount ledger.Money, hold time.Duration, friends int64) Program {
	p := preset("ebay", id)
	p.Rewards[0].Credit, p.Rewards[1].Credit = once(amount), once(amount)
	p.Hold, p.Caps[0].Friends = hold, friends
	return p
}

// Amazon is that of Amazon India in 2015: 200 rupees for the referrer and 100 for the
// friend, for a first purchase of at least 300, 30 days after its dispatch. The shop
// tells the dispatch with [Service.Record]: the fact "dispatched", under the order's id
// and with what was paid. A link lives 60 days.
func Amazon(id string) Program { return preset("amazon", id) }

// Dropbox is Dropbox's: 500 MB for either side, in the unit "MB:0", once the friend has
// installed the program and signed in (the fact "installed"); a referrer gets 16 GB at
// most, which is 32 friends.
func Dropbox(id string) Program { return preset("dropbox", id) }

// Uber is Uber's: ride credit for both sides when the friend takes a first ride within
// 90 days; the code must come before that ride. How much and how often is not
// published.
func Uber(id string, referrer, friend ledger.Money, friends int64) Program {
	p := preset("uber", id)
	p.Rewards[0].Credit, p.Rewards[1].Credit = once(friend), once(referrer)
	p.Caps[0].Friends = friends
	return p
}

// Airbnb is Airbnb's for guests: the friend gets credit on registering, the referrer
// when the friend has completed a stay worth at least a minimum without fees (the fact
// "stay_completed", told after check-out and only when the referrer was neither host
// nor guest of it). Credit expires after a year; a referrer gets 5,000 USD at most. The
// amounts, in USD, are not published. The program for hosts is the same under another
// id, with a fact of its own.
func Airbnb(id string, referrer, friend, minimum ledger.Money) Program {
	p := preset("airbnb", id)
	p.Rewards[0].Credit, p.Rewards[1].Credit = once(friend), once(referrer)
	p.Qualify.MinimumSpend = once(minimum)
	return p
}

// PayPal is PayPal's of 2025: 10 USD for either side when the friend spends at least 5
// USD within 30 days; 10 friends a calendar year. It ends on a date, or when 500,000
// USD are spent; with the zero time only then.
func PayPal(id string, until time.Time) Program {
	p := preset("paypal", id)
	p.Schedule.Until = until
	return p
}

// Wise is Wise's: 75 GBP for every 3 friends who transfer at least 200 GBP each, and for
// each friend a first transfer without fees within 6 months, which the shop grants by a
// hook of the kind "fee_free_transfer". How many friends count, at least 3, is not published.
func Wise(id string, friends int64) Program {
	p := preset("wise", id)
	p.Caps = []Cap{{Amount: ledger.Minor(friends/3*75_00, p.Milestones[0].Credit[0].Currency())}}
	return p
}

// DigitalOcean is DigitalOcean's: 10 USD for the friend at sign-up, 25 USD for the
// referrer once the friend was billed 25 USD, promotional credit not counted.
func DigitalOcean(id string) Program { return preset("digitalocean", id) }

// Robinhood is Robinhood's: a gift for either side when the friend has opened an account
// (the fact "account_opened"), which the shop grants by a hook of the kind "gift" and
// which is to be claimed in 60 days; a referrer gets 1,500 USD a calendar year at most,
// and at the cap the friend is still rewarded. What a gift is worth at most, in USD, is
// not published.
func Robinhood(id string, worth ledger.Money) Program {
	p := preset("robinhood", id)
	p.Rewards[0].Worth, p.Rewards[1].Worth = once(worth), once(worth)
	return p
}
