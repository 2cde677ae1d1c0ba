// Package coupontest helps a shop test its own code that prices carts and redeems
// coupons: a [Shop] over a store in memory with published offers and a [Clock] that
// stands still, builders of carts ([NewCart]) and offers ([PercentOff], [AmountOff],
// …), and an audit of everything when the test ends.
//
// It depends on nothing but this module and the standard library. Builders panic on
// text that is no amount, rate or currency: they are for constants in tests.
package coupontest
