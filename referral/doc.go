// Package referral runs referral programs: personal links, who is credited for whom,
// what each side earns and when, caps, and what happens when money comes back.
//
// # The map
//
// What is said:
//   - [Program], the terms: the attribution window, what qualifies, the hold, what
//     each side earns at each step ([Rule]), periods with more ([Boost]), and caps
//     per referrer ([Cap]). [AliExpress] is a preset.
//
// What happens, told by the shop, kept by a [Service] ([New]) in a store:
//   - [Service.Link] gives a customer their personal link, [Service.Touch] records
//     that somebody followed it, [Service.Register] binds a new customer to whoever
//     invited them.
//   - [Service.OrderPaid] and [Service.OrderReturned], each one batch with what
//     becomes of the order's coupons.
//   - [Service.Settle] does what is due.
//
// How a link is passed on:
//   - [Service.ChooseCode] gives a link a code that its customer chose, [NewShare] texts
//     and addresses for five channels, [Link.Token] an end ([Signer]); examples/qrcode
//     draws it. [ParseRedirect] is where whoever followed it may be sent.
//
// Who people are, with [Options].PersonKeys:
//   - [Service.Subject] gives the random id that stands for somebody in every other
//     call, of coupons too; [Person] is what it is known by, [FoldEmail] how.
//   - [Service.Export], [Service.Erase] and [Service.SweepPeople] are what the law
//     and rotating keys ask for; [Service.Ban] keeps somebody out.
//
// What is looked at against fraud:
//   - [Program].Checks say what is looked at ([CheckKind] is the whole set) and what
//     each does; [Program].Thresholds what their scores do; [FraudHook] is a check of
//     the shop's own, [Service.Taint] keeps lists. Each check that fired is a fact of its
//     referral, with its figures.
//   - [Service.Cases] is the queue of what is to be reviewed, [Service.ClaimCase] takes
//     one, [Service.NoteCase] and [Service.DecideCase] say what came of it, and
//     [Service.CaseStats] how it goes.
//
// What is shown: [Service.Friends] to the referrer, without anything that says who
// the friends are; [Service.Referral] and [Service.Rewards] to staff, with every fact
// and decision; [Service.Caps]. Upkeep: [Audit], [Views], [Service.Pause].
//
// # The records
//
// A touch grants nothing. A [Referral] is unique per program and friend. A [Reward]
// is one per referral, side and step, under an id that follows from those, and its
// coupons are issued under an id that follows from the reward's. So neither can be
// made twice, whatever is retried.
//
// # How it is decided
//
// Facts (an order paid, goods come back) are recorded in the referral, each once by
// its id, sorted by their instants. What should be follows from a fold over them
// under the terms the referral was bound by; the service makes up the difference to
// what is recorded. So facts may arrive twice and out of order. What rests on others,
// a place at a cap, is decided once and recorded.
//
// A referral qualifies by the friend's first payment: the earliest one after
// registration, in time, of enough. It must stay through the hold. When it is taken
// back before, as a whole or so far that not enough is kept, the referral is voided
// and its place in the caps freed; afterwards it is reversed: coupons not yet used
// are revoked, used ones are on record as owed. What registration gave stays: the
// friend did register.
//
// # Choices, and what lost
//
//   - A friend is bound by the very batch that makes them known, to somebody known
//     before. So nobody refers themselves and referrals form no circle, by
//     construction; looking for circles lost.
//   - The first payment decides, and when it did not stay the referral is over: no
//     other order takes its place, made before the return or after. The earliest
//     payment that still stands lost: what came of it hung on the order in which
//     payments and returns arrived, and a return could move the reward to an order
//     in a better period. A program that pays for the first payment would pay for any.
//   - Payments after the first are not kept, so that a friend who buys for years does
//     not make the referral grow.
//   - A reward whose coupons can't be issued, because an offer is paused, waits and
//     is tried again; refusing the payment for it lost.
//   - A mistyped code is refused before anything is recorded, so that the customer can
//     correct it; a code that nobody has is an outcome on record, so that guessing
//     costs a registration each time.
//   - A page of friends continues at an instant and a number. The store's cursor lost:
//     it has the friend's id in it, and pages go to the referrer.
//   - A check is decided once and recorded as a fact, and its outcome is folded like any
//     other. Looking again whenever something happens lost: a referral would change with
//     what others did since.
//   - A network address can score, and no threshold can be reached by it alone: many
//     people have one address. That a program says so lost against a program that can't
//     be published.
//   - There is no check of a coupon that is the referrer's own: a held coupon can be used
//     by its holder only, a friend is bound to somebody else, and accounts that turn out
//     to be one are merged.
//   - A case's deadline is in the referral's facts and not only in the case, so that
//     nothing waits for a sweep over cases, and no order of sweeps matters.
//   - A shop that has PersonKeys asks for a subject once, keeps it beside the customer,
//     and passes nothing else in. To map customers' keys inside every call lost: the
//     holder of a coupon must be the same one, so the shop needs the subject anyway,
//     and a key that slips in by mistake is refused. Without PersonKeys documents hold
//     the shop's keys, and ids of coupons follow from them: choose keys that nobody can
//     guess then.
//   - Keyed hashes are moved to a new key by hashing them again, since nobody knows
//     what they are of; so an old key alone is no use once all are moved. Asking for
//     everybody's address to hash it anew lost: the shop would have to have it.
//   - What an identifier was kept under is never deleted while anybody may write it;
//     a sign is left. So a document's versions go on, and two that make it meet.
//   - A code that looks like another is kept out by a document named after what it
//     looks like, which only one can make. Comparing with the codes there are lost: two
//     at once would not see each other.
//   - Tokens have a version and no field for an algorithm. JSON Web Tokens lost: whoever
//     holds one may say how it is to be checked.
//   - A redirect's target is a path and nothing else. A list of hosts lost: it needs a
//     parser that reads addresses as every browser does.
//   - At a cap the reward is withheld for good when the friend qualifies, in their
//     order of payment. Waiting for a place to become free lost: nobody could say
//     what a friend brings.
package referral
