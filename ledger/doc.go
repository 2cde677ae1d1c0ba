// Package ledger is exact money and the books that prove it.
//
// # Money
//
//   - [Money] is a whole number of minor units (int64) of a [Currency]. It comes
//     from minor units ([Minor]), text ([ParseMoney]), a decimal ([FromDecimal])
//     or JSON, and goes back to each. Reading never rounds.
//   - [Currency] is one of ISO 4217 ([ParseCurrency]) or a shop's own ([Unit]).
//   - [Rate] is an exact percentage; [Rate.Of] takes it of an amount, rounded
//     once by a [Rounding].
//   - [Split] shares an amount out by weight, down to the minor unit.
//   - [Sum], [Difference] and [Product] are int64 arithmetic that says when it
//     overflows.
//
// # Limits
//
//   - [Claim] is what a document holds of a limited counter; [Period] says how
//     often a limit starts anew.
//
// # The book
//
//   - [Entry] is one thing that happened, with its [Transfer]s between
//     [Account]s; [Entry.Batch] writes it. A [Floor] keeps accounts from falling
//     below a minimum.
//   - [Book] posts entries ([Book.Post]), sets money aside ([Book.Hold],
//     [Book.PostHold], [Book.Void], [Book.LapseHolds]), and answers
//     [Book.Balance] and [Book.Statement]. [PlanHold] and its siblings are the
//     same as plans, to be joined with others.
//   - [Book.CloseMonths] closes the months that are over.
//   - [Audit] checks everything against everything; [Journal] exports the book
//     for hledger; [Views] declares its reporting views.
//
// # Work that waits
//
//   - [Sweep] handles documents that are due, [Deliver] hands out each [Event].
//     Both answer with a [Report]; what fails is put off and listed by
//     [OpenFaults]. Workers of one process share documents out in a [Crew].
//   - [Once] does an operation once under its id, where no document has a
//     natural key that would remember it ([Operation], [Fingerprint]).
//
// # Choices about money, and what lost
//
//   - Amounts are int64 minor units. Decimals inside lost: multiplying and
//     rounding one costs some 500 ns and 7 allocations, against 3 ns and none.
//     They remain at the edges.
//   - A unit's text carries its number of decimals ("PTS:0"). A registry of
//     units lost: it would be a global, and books could be read only by a
//     program that registers the same units in the same way.
//   - A unit never equals a currency of ISO 4217, nor a unit of the same code
//     with other decimals.
//   - The table of ISO 4217 is in the source, with the codes withdrawn since
//     2016. The table of x/text lost: it is CLDR's, which gives decimals as
//     people like to see them and is wrong for exact money.
//   - Codes without a minor unit (XAU, XXX, XTS…) are refused: there is no exact
//     amount of them. A shop that sells gold makes a unit of its own.
//   - The zero [Money] and the zero [Currency] can be written and read back, so
//     that documents with an unset amount round-trip; check IsZero where an
//     amount is required.
//   - Amounts of different currencies do not compare or add, not even zeros:
//     a zero of the wrong currency is a fault on its way to becoming a sum.
//   - [Split] gives the units left over to the largest remainders. "The last one
//     takes the rest", "round each, then correct by one" and "half-even each"
//     lost: on random carts all three give wrong sums, negative shares or shares
//     above the line they belong to.
//
// # Choices about the book, and what lost
//
//   - An entry of many accounts is kept as several documents, by itself. To
//     refuse it lost: every marketplace order would have had to be split by
//     hand. So did a document without lists, as it would be in no statement.
//   - An entry is repeated when its content is equal. A stored fingerprint lost:
//     the content is there to be compared.
//   - A hold has one id for the entry that ends it, however it ends, so that
//     ending twice is a conflict about one document. How long it was to last is
//     no part of what was asked: a retry computes it anew.
//   - The balance of a month is written by a job, never while posting, so that
//     a hot account makes nobody queue. Every entry carries a condition that its
//     month is open, which takes no lock; balances are written a day after a
//     month was shut, so that no entry that was under way is missed. To accept
//     entries into a closed month and correct the balances after it lost: it is
//     right only if every correction arrives. So did balances of each day, or of
//     each account's n-th entry: they have to be written while posting.
//   - A statement's cursor carries the balances, so that a page costs the same
//     wherever it lies. It is a position, not a secret and not a proof.
//   - A sweep plans the documents of a group in turns, and reads for all of them what
//     they ask for. Plans that say in advance what they read lost: what they read next
//     follows from what they have read. So did plans that run at the same time: what a
//     shop passes in would have to bear it.
//   - Deliveries lease the first event of a subject by moving its due instant. A
//     lease document for each subject lost: it could never be dropped, as its
//     id would come again.
//   - A fault is kept under an id that follows from the document's, and stays as
//     resolved. For the same reason it is not dropped.
//   - Audit tells a change under way from a contradiction by reading again, and
//     comparing the versions of the documents behind a figure. A lock or a
//     snapshot lost: not every store has them.
package ledger
