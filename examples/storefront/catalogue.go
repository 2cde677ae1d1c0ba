package main

import "github.com/vouch-go/vouch/ledger"

// product is something the shop sells.
type product struct {
	ID, Name, Seller, Category, Text string
	Picture                          string // a symbol of the page's own set of pictures
	Price                            ledger.Money
	OnSale                           bool
}

// seller is who sells it: the shop is a marketplace.
type seller struct {
	Name string
	// Excludes says, to shoppers, that the seller's products take no part in
	// something. The rule itself is an exclusion that the seed makes.
	Excludes string
}

var sellers = map[string]seller{
	"acme":    {Name: "Acme Tea"},
	"nordlys": {Name: "Nordlys Lamps"},
	"zephyr":  {Name: "Zephyr Kites", Excludes: "Coupons for inviting friends and welcome coupons can't be used on this seller's products."},
}

// The shipping that each seller asks for, once an order.
var shippingPrices = map[string]ledger.Money{
	"acme": price("2.90"), "nordlys": price("4.90"), "zephyr": price("3.50"),
}

var products = []product{
	{"teapot", "Teapot “Morning”", "acme", "kitchen", "Stoneware, one litre, keeps warm for an hour.", "teapot", price("19.99"), false},
	{"cup", "Cup, handmade", "acme", "kitchen", "No two are alike.", "cup", price("4.35"), false},
	{"assam", "Assam, 250 g", "acme", "tea", "Strong and malty, second flush.", "leaf", price("8.90"), false},
	{"sencha", "Sencha, 100 g", "acme", "tea", "Fresh and grassy, first harvest.", "leaf", price("11.40"), true},
	{"desk-lamp", "Desk lamp “Fjord”", "nordlys", "light", "Warm light, dims to a candle's.", "lamp", price("42.50"), false},
	{"lantern", "Garden lantern", "nordlys", "light", "Galvanised steel, for tea lights.", "lantern", price("15.00"), false},
	{"string-lights", "String of lights, 10 m", "nordlys", "light", "Forty small lamps, for indoors and outdoors.", "stars", price("22.00"), true},
	{"kite", "Kite “Swift”", "zephyr", "outdoor", "Flies from two Beaufort.", "kite", price("24.00"), false},
	{"box-kite", "Box kite", "zephyr", "outdoor", "The classic of 1893, in ripstop.", "kite", price("38.00"), false},
}

func price(text string) ledger.Money { return ledger.MustMoney(text, eur) }

func findProduct(id string) (product, bool) {
	for _, p := range products {
		if p.ID == id {
			return p, true
		}
	}
	return product{}, false
}
