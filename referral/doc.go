// Package referral runs referral programs: personal links, who is credited for whom,
// what each side earns and when, caps, and what happens when money comes back.
//
// # The map
//
// What is said:
//   - [Program], the terms: the attribution window, what qualifies ([Qualification]),
//     the hold, what each side earns at each step ([Rule], [Tier], [Milestone]), periods
//     with more ([Boost]), caps per referrer ([Cap]) and a budget. [ParseProgram] reads
//     it from a JSON document ([ProgramSchema]).
//   - [Presets] are ten shops' programs as data: [AliExpress], [Ebay], [Amazon],
//     [Dropbox], [Uber], [Airbnb], [PayPal], [Wise], [DigitalOcean], [Robinhood].
//   - [Program.MaxExposure] is the most it can give, [Service.WhatIf] what it would have
//     given for what was recorded.
//   - [FinePrint], the terms and conditions in plain words, made of nothing else.
//
// What happens, told by the shop, kept by a [Service] ([New]) in a store:
//   - [Service.Link] gives a customer their personal link, [Service.Touch] records
//     that somebody followed it, [Service.Register] binds a new customer to whoever
//     invited them; [Service.EnterCode] does so a little later.
//   - [Service.OrderPaid] and [Service.OrderReturned], each one batch with what
//     becomes of the order's coupons; [Service.Record] for what the shop defines.
//   - [Service.Settle] does what is due, [Service.NextDeadline] says when that is next,
//     [Service.Overdue] what was promised by now. A [Hook] grants what is the shop's own.
//   - [Service.Pause], [Service.End] and [Service.Kill] stop a program,
//     [Service.Status] says whether one did.
//
// How a link is passed on:
//   - [Service.ChooseCode] gives a link a code that its customer chose, [NewShare] texts
//     and addresses for five channels, [Link.Token] an end ([Signer]); examples/qrcode
//     draws it. [ParseRedirect] is where whoever followed it may be sent.
//   - [Service.Invite] says to whom the shop may send invitations, where a program has
//     it send them ([Invitations]), [Service.RefuseInvitations] takes a click that
//     refuses them; no address is kept.
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
// and decision; [Service.Timeline]; [Service.Caps]; [Service.Analyze] to analysts.
// Upkeep: [Audit], [Views].
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
// A referral qualifies, by default, by the friend's first payment: the earliest one
// after registration, in time, of enough. It must stay through the hold. When it is
// taken back before, as a whole or so far that not enough is kept, the referral is
// voided and its place in the caps freed; afterwards it is reversed: coupons not yet
// used are revoked, credit is taken back as far as it is there, and what was used is
// owed. What registration gave stays: the friend did register. [Transitions] is the
// whole table of what each event does in each state, and deciding looks it up. These are
// the rows in which something moves:
//
//	state      event       becomes        because
//	bound      qualifies   held           the rewards are promised, and wait for the hold
//	bound      taken_back  voided         the payment that decides did not stay; no other takes its place
//	bound      time_over   expired        nothing qualified in time
//	bound      flagged     review         a person looks before anything is promised
//	bound      denied      rejected       nothing is promised to either side, and what registration gave is taken back
//	bound      erased      voided         somebody who is not there can't qualify
//	held       taken_back  voided         the promises are canceled, and the places in caps and budget freed
//	held       hold_over   confirmed      the rewards are granted
//	held       flagged     review         nothing is granted while a case is open
//	held       denied      rejected       the promises are canceled, and what registration gave is taken back
//	review     approved    bound or held  it goes on where it was
//	review     denied      rejected       the promises are canceled, and what registration gave is taken back
//	confirmed  taken_back  reversed       the rewards are taken back, and what was used is owed
//	confirmed  denied      reversed       fraud came to light: all rewards are taken back
//
// Every other pair is decided too, and its row says why nothing moves.
//
// Where [Program].Lateness is set, all this happens that long behind the clock, from
// instant to instant: then what becomes of a referral does not depend on the order in
// which its facts were told, as long as none is told later than that. Without it, what
// was decided over what was known stays decided.
//
// # Choices, and what lost
//
//   - A friend is bound by the very batch that makes them known, to somebody known
//     before. So nobody refers themselves and referrals form no circle, by
//     construction; looking for circles lost.
//   - A referral begins when the friend registers. One of somebody who was only invited lost:
//     it would stand under an address, not a customer, and whoever asks for invitations
//     would see who took them up; that one was sent is in its own record.
//   - Whether a reward is spent is no state of it. To write it down lost: every order that
//     uses a coupon would have to find the reward and wait for it, and of credit it is a
//     convention which was spent.
//   - The first payment decides, and when it did not stay the referral is over: no
//     other order takes its place, made before the return or after. The earliest
//     payment that still stands lost: what came of it hung on the order in which
//     payments and returns arrived, and a return could move the reward to an order
//     in a better period. A program that pays for the first payment would pay for any.
//   - Where several payments qualify, payments and returns are gone through in time. When
//     payments alone would have been enough decides the boost and the period of caps: else
//     a return could move a reward into a better period. Returns before that leave less
//     that counts, and more payments make up for it; but then nothing at all may come back
//     any more. To let it come back as long as enough is kept lost, because it can't be had
//     together with ends that are final: a friend pays a and b, which are enough, returns b,
//     so it ends, and pays c and d. Had they returned a first, nothing would have been
//     enough when b came back, nothing would have ended, and c and d would qualify: more
//     refund would mean more reward. Deciding by payments alone lost too: who returns
//     something early and buys on would never qualify.
//   - An earlier payment that is told after the referral was voided stays without effect,
//     and is on record. Reopening what had ended lost: an end would be none, and its
//     place in a cap is another's by then. Lateness is for shops whose facts come late.
//   - A reward that fits into a cap or budget only in part is withheld as a whole.
//     Clipping it lost: half a coupon is none, and an odd amount is told nobody.
//   - An uplift raises what is promised from then on, also to friends bound before, and adds
//     nothing to what was promised or granted. To top those up lost: what a reward is worth
//     was claimed from caps and budget and told to its customer once, and a second reward of
//     one side and step could be withheld by itself, so that an old friend brings a part of
//     what nobody was promised. A shop that wants to gives the difference as credit.
//   - Milestones are counted in a document per referrer, and the latest one falls when
//     one friend too many is taken back, whichever it was. Tying it to the friend with
//     whom it was reached lost: it could be reached anew with the next, and paid twice.
//   - Credit that expires is taken to be spent oldest first. Accounts per reward lost:
//     every order would have to say which it spends.
//   - A hook is called by sweeps only, never in the batch of a fact: no transaction waits
//     for somebody else's service, and a call that is repeated has the reward's id.
//   - The presets are documents with functions that fill in what nobody publishes. One
//     function that takes names and values lost: what is missing would be found when it
//     runs, not when it is compiled.
//   - Payments after the first are not kept, so that a friend who buys for years does
//     not make the referral grow.
//   - A reward whose coupons can't be issued, because an offer is paused or its stock has
//     too few codes, waits and is tried again; refusing the payment for it lost. It keeps
//     its place in caps and budget: giving that up lost, since what was promised would then
//     hang on who refills what first. Nor is part of a set given.
//   - Publishing finds no codes that are too easy to guess, because there can be none: codes
//     of links and of coupons are made with 65 random bits, a reward names no code of its
//     own, and more coupons than stand up to guessing are not issued ([coupon.Guessing]). A
//     length for each program lost: it could only be too short.
//   - A mistyped code is refused before anything is recorded, so that the customer can
//     correct it; a code that nobody has is an outcome on record, so that guessing
//     costs a registration each time.
//   - A touch that can bind nobody when the friend registers is passed over, for the next
//     that can; who is passed over is a rival on record. That the last one wins whatever
//     became of it lost: one click on the link of somebody who is banned, or of a program
//     that was stopped, would take from an honest referrer what they have earned. A code
//     that was typed is the friend's own word for who brought them: nobody else's link
//     takes its place.
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
//   - Terms name every check that can do something, and none of its figures. Leaving
//     checks out lost, since a refusal must be told of in advance; so did the figures,
//     which would say how far one can go.
//   - A case's deadline is in the referral's facts and not only in the case, so that
//     nothing waits for a sweep over cases, and no order of sweeps matters.
//   - A case about what is owed stops nothing, and its verdict moves nothing: by then
//     the referral is over. To have it forgive the debt lost: a debt that is not set off
//     is asked of nobody anyway.
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
//   - All addresses that are asked for count towards the limits of invitations, and the
//     referrer is not told which are not written to. To count those sent lost: it would
//     tell whose customer somebody is.
//   - A merge lists a person's friends, tallies and debts under the account that is left,
//     and leaves who brought whom as it was. Naming another referrer lost: it could make
//     somebody the friend of their own friend, and what registration recorded would differ.
//   - A referral whose friend's account was merged stays under the id it has, which rewards,
//     cases and claims follow from; what the account has become remembers it, and either
//     key leads to it. Moving it lost: the account that is left may be a friend already, and
//     one referral of the two would have to end. Of several, a fact is for the one that
//     knows its order, and else for the account's own: one payment is the first of one.
//   - Tokens have a version and no field for an algorithm. JSON Web Tokens lost: whoever
//     holds one may say how it is to be checked.
//   - A redirect's target is a path and nothing else. A list of hosts lost: it needs a
//     parser that reads addresses as every browser does.
//   - At a cap the reward is withheld for good when the friend qualifies, in their
//     order of payment. Waiting for a place to become free lost: nobody could say
//     what a friend brings.
package referral
