// Package coupon prices carts with offers, issues the coupons that carry them, and
// redeems each as often as it may be used and no more.
//
// # The map
//
// What is said:
//   - [Offer], the rule: a [Benefit] ([PercentOff], [AmountOff], [AmountOffEach],
//     [FixedPrice], [BundlePrice], [BuyGet], [Tiers], [ShippingOff], [GiftLine]), a
//     [Scope], a tree of [Condition]s ([All], [Any], [Not], [MinimumSpend],
//     [Contains], [NthOrder], …, and [Predicate] for the shop's own), a [Schedule],
//     [Limit]s of uses and of money, how it combines ([Combine], [Group],
//     [ShopPromotions]), and who pays for it ([Share]).
//   - [Coupon], a code that one customer holds or anyone may use; [Code] is its
//     normal form, [NewCode] makes one, [ParseCode] reads what people type.
//   - [Exclusion], a seller's word that its products take no part.
//   - [Cart], what a shopper is about to buy.
//
// What is decided, by pure functions over plain values:
//   - [Decide] prices a cart and gives a [Quote]: what comes off each line and
//     unit, and for everything else a [Refusal].
//   - [NewVersion] checks an offer and makes it ready for matching; [NewCatalog]
//     compiles many, and [Catalog.Decide] prices a cart with those that match it.
//   - [ParseOffer] reads an offer's JSON document ([OfferSchema]) strictly, and
//     [Offer.MarshalJSON] writes it; [ParseTrial] reads a cart with the offers to try
//     on it ([TrialSchema]), and [Quote.MarshalJSON] writes what comes of it.
//   - [Check] reads offers before they are published: what can never apply, is
//     always beaten, makes a line free by stacking, or looks like an oversight.
//   - [NewCodes] makes codes in bulk; [Guessing] says how many can be out.
//   - [FinePrint] says an offer's terms in plain words; [Refusal.In] and
//     [Quote.Shopper] speak to shoppers in their language, [Quote.Explain] to staff.
//     [Quote.Lowered] says why offers take off less than their benefits give.
//
// What is kept, by a [Service] ([New]) in a store:
//   - offers: [Service.Publish], [Service.Pause], [Service.Resume], [Service.Offer],
//     [Service.Offers], [Service.Status]; exclusions: [Service.Exclude],
//     [Service.Include], [Service.Exclusions].
//   - coupons: [Service.Issue], [Service.Wallet], [Service.Coupon],
//     [Service.Revoke], [Service.Reissue], [Service.Extend], [Service.Override];
//     a million codes: [Service.IssueBatch], [Service.Codes],
//     [Service.Batch]; codes made elsewhere: [Service.LoadStock], [Service.StockLeft],
//     [Service.StockLoad], [Service.StockCoupons], [Service.WithdrawStock].
//   - a checkout: [Service.Quote], then [Service.Redeem] in one step, or
//     [Service.Reserve] and [Service.Confirm] or [Service.Release] round a
//     payment; later [Service.Refund], and [Service.RefundAmount] for goodwill. A
//     [Redemption] is what one order uses.
//   - credit, money or points that a customer has: [Service.GrantCredit],
//     [Service.TakeCredit], [Service.Credit]; it stands on [CreditAccount], and pays
//     for orders by [Quote.Pay].
//   - a marketplace's sellers: [Service.Statement] with [Options].Settle.
//   - what an older system has redeemed: [Service.Import].
//   - upkeep: [Service.Sweep], [Audit], [Views].
//   - plans, for joining with other changes in one batch: [Service.PlanConfirm],
//     [Service.PlanRefund], [Service.PlanRefundAmount], [Service.PlanIssue], [Service.PlanRevoke],
//     [Service.PlanGrantCredit], [Service.PlanTakeCredit].
//
// # How amounts come about
//
// Offers are worked out one after the other, each on what those before left: those
// for lines first, then those for the order, for shipping, and gifts; within a stage
// the higher priority first, then by id. A percentage is computed once on the sum of
// the eligible units, rounded once (half up unless the offer says otherwise), cut at
// its maximum and split by what each line still costs; an amount is split the same
// way, where of lines with an equal claim to a last coin the one with the shorter id
// has it, then the smaller. What a floor refuses is spread over the other lines; a
// line never goes below zero or its floor. A minimum spend is tested with >= against
// the eligible lines' original prices, without shipping, unless it asks for what they
// cost after the offers before. An offer that counts only some units of a line cuts
// the line into parts; the units of a part share evenly, the earlier ones carrying
// what does not divide, and a refund gives back exactly what each unit paid. So the
// work grows with lines and offers, never with units.
//
// Which offers apply is either what the shopper chose, beside automatic ones, or the
// set that takes most off ([Choice].Best), found exactly up to a stated amount of work:
// [Quote.Optimal] says whether that was enough.
//
// # How fast it is
//
// A catalogue leads from products, categories, sellers and tags to the offers that ask
// for them: a quote costs what the cart's lines and the offers that match them cost,
// however many others are published. A quote says of automatic offers that count none of
// the lines, or have ended, nothing at all. Units cost nothing of their own: those that
// have the same price are one part of a line. Automatic offers that ask for one list of
// names and perhaps a minimum spend, and combine freely, are priced in one look at each.
// Two bounds keep any cart and offers bearable: bundles that cut lines into more than
// 20,000 parts price the sets that are left together, and a cart that offers cut beyond
// all measure is refused.
//
// Each claim is a benchmark that states it as a ratio within one run:
//
//	go test -run='^$' -bench='Yardsticks|TenOfTen|Units|BestOfTwenty|MillionCodes|Compile|Refresh' ./coupon
//
// The yardsticks are what a developer writes by hand, and the least that the work can
// cost: TestYardsticksDoTheSameWork says where they differ from a quote.
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
//   - A code that gives two things, as 10 % off and free delivery, leads to a coupon
//     of each of two offers. Several benefits in one offer lost: each has its stage, its
//     products, limits and refunds, and offers know all that about each other already.
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
//   - A search for the best set has a bound on its work, not on candidates or sets: below
//     100 lines it goes through all sets of twelve offers that all combine, and of
//     thousands that stand alone, and it says when that was not enough. A bound on
//     candidates lost: twenty coupons of which each stands alone are no work at all. A
//     heuristic alone lost: nobody could tell when it is right.
//   - An offer that the best set leaves out is told what would come off with it, without
//     those that can't stand beside it ([Refusal].Behind). The best of all sets with it lost:
//     it is a search for each, to say what nobody can choose.
//   - What lowers an amount is found by working the offers out once more, without one thing
//     that lowers them after the other ([Quote.Lowered]). Noting it while deciding lost: it
//     would be work for every quote, and a search decides thousands of sets. A quote keeps
//     only which limit of money lowered an amount, since counters move on.
//   - To shoppers a limit that others use too is a budget that is nearly used up, without
//     figures, though the fine print names it: what is left of it would tell how much others
//     have used.
//   - A quote says nothing of coupons that were not asked for: they are found by code or
//     wallet, never by going through offers. A trial has all of its document before it,
//     and says so of each offer ([ReasonNotChosen]).
//   - A coupon works five minutes before its issue. Exactly from its issue lost: the machine
//     that redeems it may be behind the one that made it.
//   - A unit is bought, got or part of a bundle for one offer only. Counting it for each
//     lost: two offers of half the second would take three quarters off it, and two that
//     each free one unit of four would free one.
//   - Each payer's part of a discount is a cut of its own off each part of a line, so
//     that a return gives every payer back exactly what it paid. Sharing what comes
//     back anew lost: successive shares of parts do not sum to the share of the whole.
//   - Credit is tender: it pays what is left after all offers, and no offer sees it. As
//     an offer it lost: it would lower the price that taxes, minimums and other
//     discounts rest on, and a return would have to know which part of a unit's price
//     was credit. It is held by the ledger, for as long as the reservation lives; a time
//     of the hold's own lost, since two clocks could end one thing twice.
//   - A refund goes back to credit first. Other means first is an option: it turns
//     credit that was given away into money only when all of that is back, but a shop
//     that pays out money for a return of half the goods has nothing to set off when the
//     rest never comes back, or the credit is to be taken back for fraud.
//   - Of a line, those units come back first that the fewest offers counted: of two of
//     which one was free, the one that was paid for, and then the one for nothing. Each
//     gives back what it paid itself, all together what was paid. The free one first lost:
//     whoever sends back a broken one of two would get nothing. What units of the line paid
//     on average lost: it is what no unit paid, and whoever funds the free one would get
//     half of it back while it is kept. A shop that does not leave the free one to who
//     returns the other gives the offer a minimum spend, and claws back below it
//     ([ClawBack]).
//   - Goodwill comes off what the last units to return give back, and goes back to who
//     paid it then. Sharing it over all units lost: a return of one unit would give back
//     less than its price for a scratch on another.
//   - Decisions work in memory from a pool, and cuts of all parts stand in one list, each
//     with the part's cut before it. A list of cuts for each line lost: a quote of 1,000
//     lines asked for memory a thousand times.
//   - A quote in hand is judged again when it is redeemed, and recorded as it is where it
//     comes about as it did, step by step. Making it anew lost: it was half of what
//     redeeming costs besides the store. Keeping its fingerprint lost, too: it tells a cart
//     that was changed meanwhile from the one that was priced.
//   - A quote keeps what was worked out as it is, and puts its lists together when they
//     are asked for ([Quote.Lines], [Quote.Refused], …). Lists as members lost: most
//     quotes are asked for their total, and making and collecting the lists took half
//     of a quote's time.
//   - A catalogue finds an offer by that list of its scope whose names the fewest offers
//     ask for. The shortest list lost: ten thousand offers for products of one category
//     would all be looked at for any of that category.
//   - A change of an automatic offer raises a counter, so that a service sees with one
//     read that its catalogue is as it was. Listing the offers each second lost.
//   - The check of an exclusion is reading it when redeeming. Making the batch
//     depend on every seller's exclusions lost: a cart of a thousand sellers would
//     need a thousand checks.
//   - Codes are kept as they are unless there is an [Options].CodeKey. Then made codes
//     follow from the key and the coupon's id instead of being random: a crash between
//     making codes and handing them out loses none, and who asks again gets the same.
//     Random codes handed to the caller while they are made lost: two workers, or one
//     that crashes, would hand out codes that don't exist, or lose some that do. A key
//     belongs to one store: two stores with one key would give coupons of one id one
//     code. It rotates by [Options].OldCodeKeys; a look-up costs one key to read for
//     each. Key ids in the documents lost: a code that is typed does not say its key.
//   - A chosen code whose offer has no limit per customer is a finding of [Check] and
//     no error of issuing: "10 % for everybody, as often as they like" is an offer, too.
//     So is a batch of codes without a limit per coupon.
//   - The guard of the code space counts the codes of batches that have not expired.
//     Counting every code that is issued lost: it would be a counter on which all
//     issuing queues.
//   - What sellers are owed is booked in the ledger when an order is confirmed, so that a
//     statement has balances, periods and pages, and the shop's fees and payouts beside
//     the sales. A list of orders per seller lost: a document stands in eight lists at
//     most. It is an option, because it costs an entry more for each order.
//   - A code of a stock is the one document that every code has, and who takes it writes
//     that at the version read: so it has one holder by the same key that keeps a code from
//     existing twice. A counter that gives out positions lost: it is one row that all who
//     take must queue for, and who claims a position and rolls back leaves a hole. Taking the
//     first lost, too: all want the same one. They begin at places of their own, and who
//     meets another reads again. What is left is counted in 32 counters, each raised and
//     lowered with the codes; a count of the list lost, which costs a page for each
//     thousand.
//   - A code that was withdrawn from its stock, or whose coupon was revoked, never comes
//     back: somebody may have seen it. To drop its document lost: a version that begins
//     anew would let a stale taking through.
//   - Codes of a stock are of the shop's own coupons. A partner's, that only the partner
//     redeems, may have any form, and their coupons would never be used here: referral's
//     hooks grant those.
//   - An override is a document that one order uses, and is looked for only where a limit
//     refuses. Raising the limit for a customer lost: it would have to be read by every
//     quote, and who raised it for what would be gone when it is used.
//     The use it lets through is judged as if nothing of the limits were used. Lowering
//     what is used of them for the whole cart lost: another offer that counts in the same
//     limit could take the room, and fail when it is redeemed.
//   - An imported use is a document that holds its claims, as a redemption does, so that
//     an audit sums them. Raising the counters alone lost: nothing would say why they
//     stand where they stand. A redemption without lines lost, too: it could not be
//     returned, and its sums would not add up.
//   - A coupon that anyone may use is not reissued: there is nobody to hand another code
//     to, and what its limits count, counters named after the coupon, would begin anew or
//     have to follow. Revoking it stops the code at once; whoever issues another says anew
//     how often it may be used. So do refusals to import more uses than a held coupon has,
//     or a limit in shards: of a coupon the use must stand in its document, which has no
//     more room, and what one shard has too much of would look like room in another as
//     soon as something is returned. Raising the limit counts them exactly.
//   - What the [Limiter] refuses is an error of quoting, not a refusal of each code: so
//     it can't differ between good and bad ones. A limiter that fails, fails the quote.
package coupon
