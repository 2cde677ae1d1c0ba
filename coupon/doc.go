// Package coupon prices carts with offers, issues the coupons that carry them, and
// redeems each as often as it may be used and no more.
//
// # The map
//
// What is said:
//   - [Offer], the rule: a [Benefit] ([PercentOff], [AmountOff]), a [Scope],
//     [Condition]s ([MinimumSpend], [InSegment]), a [Schedule], [Limit]s, and how it
//     combines ([Combine], [ShopPromotions]).
//   - [Coupon], a code that one customer holds or anyone may use; [Code] is its
//     normal form, [NewCode] makes one, [ParseCode] reads what people type.
//   - [Exclusion], a seller's word that its products take no part.
//   - [Cart], what a shopper is about to buy.
//
// What is decided, by pure functions over plain values:
//   - [Decide] prices a cart and gives a [Quote]: what comes off each line and
//     unit, and for everything else a [Refusal].
//   - [NewVersion] checks an offer and makes it ready for matching.
//
// What is kept, by a [Service] ([New]) in a store:
//   - offers: [Service.Publish], [Service.Pause], [Service.Resume], [Service.Offer];
//     exclusions: [Service.Exclude], [Service.Include].
//   - coupons: [Service.Issue], [Service.Wallet], [Service.Coupon],
//     [Service.Revoke].
//   - a checkout: [Service.Quote], then [Service.Redeem] in one step, or
//     [Service.Reserve] and [Service.Confirm] or [Service.Release] round a
//     payment; later [Service.Refund]. A [Redemption] is what one order uses.
//   - upkeep: [Service.Sweep], [Audit], [Views].
//   - plans, for joining with other changes in one batch: [Service.PlanConfirm],
//     [Service.PlanRefund], [Service.PlanIssue], [Service.PlanRevoke].
//
// # How amounts come about
//
// Offers are worked out one after the other, the higher priority first, then by id,
// each on what those before left. A percentage is computed once on the sum of the
// eligible lines, rounded once (half up unless the offer says otherwise), cut at
// its maximum and split by what each line still costs; an amount is split the same
// way, where of lines with an equal claim to a last coin the one with the shorter id
// has it, then the smaller. What a floor refuses is spread over the other lines; a
// line never goes below zero or its floor. A minimum spend is tested with >= against the eligible lines'
// original prices, without shipping. Within a line, units share evenly, the earlier
// ones carrying what does not divide, and a refund gives back exactly what each
// unit paid.
//
// # What holds under concurrency
//
// Limits are counters that a claim raises only within their bound; a coupon that
// somebody holds records its uses in its own document, written only at the version
// read; the redemption is the order's own document. All of an operation is one
// batch. So no limit is exceeded and no coupon is used twice, on any store and at
// any isolation level. What has no limit touches no counter.
//
// # Choices, and what lost
//
//   - A coupon that a customer holds counts its uses in its own document, one that
//     anyone may use in a counter. Counters for both lost: the wallet's document
//     has to change anyway, and with the use inside it a single-use coupon needs no
//     second row.
//   - Which of two offers that can't be combined applies is decided by priority,
//     then by what each takes off alone, then by id, and not by the order of
//     typing: the same set of codes always has the same price.
//   - A reservation that has lapsed keeps its claims until somebody needs them or
//     the sweep comes. Counting only live reservations at read time lost: the
//     bound must be in the conditional statement, where a clock has no place.
//   - Made codes have one fixed length, 13 random characters and a check character.
//     A configurable length lost: with it a code's shape would not tell whether its
//     check character has to fit.
//   - Beside the shop's own promotions an offer by default refuses the cart, as it
//     stands alone by default beside other offers.
//   - The check of an exclusion is reading it when redeeming. Making the batch
//     depend on every seller's exclusions lost: a cart of a thousand sellers would
//     need a thousand checks.
package coupon
