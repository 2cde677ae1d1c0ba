// Package storage is the ground the other packages stand on: a small contract
// for keeping documents, lists and counters, which an in-process map, SQLite,
// PostgreSQL, MySQL or an engine of your own can fulfil.
//
// # The map
//
// What is kept:
//   - [Doc], a JSON document under a [Key], with a version, the lists it
//     stands in ([Listing]) and the instant at which it wants attention.
//   - Counters: named int64 values that only ever change by [Add].
//
// How it changes:
//   - [Batch]: conditions and writes ([Check], [Put], [Drop], [Add]) that happen
//     together or not at all. [Store.Apply] is the only way to write.
//   - [Plan]: a batch and the answer to give once it is applied. [Join] merges
//     batches of several plans into one.
//   - [Failure]: which operation of a batch was refused, as [ErrConflict] or
//     [ErrLimit].
//
// How it is read: [Store.Get] by key, [Store.List] by list, by due instant, or
// through all documents of a kind.
//
// Faster for many batches: a [Grouper] applies those that one caller has at hand, each
// judged by itself, at the price of one; [Grouped] collects those of many callers for it.
//
// Around it: [Prefixed] gives tenants a store each; [Codec] reads and writes
// bodies so that two releases can run side by side; [View] declares a reporting
// view that SQL stores render.
//
// # Why a conditional batch
//
// Every promise about concurrency rests on Apply alone. A cap is an Add with a
// bound, once-only is a Put at version 0, a change of state is a Put at the
// version read. There is no lock to forget and no isolation level to set, and
// one conformance suite (package storetest) tests it for every engine.
//
// # Choices, and what lost
//
//   - A transaction object with reads and writes in it (Begin, Get, Put,
//     Commit) lost: each caller would have had to get locking right again, and
//     batches of several callers could not share one database transaction.
//   - Join takes batches, not plans: the answers of plans have different
//     types, and only the batches are merged.
//   - [Grouped] collects in front of any store that has [Grouper]. A collector inside
//     each store lost: who waits, leaves and is answered is the same for all of them.
//     A goroutine that collects lost too: it would have to be stopped. Who finishes
//     starts the next group.
//   - A store says how many groups it applies at once, and the next starts when as many
//     batches wait as are being applied. One everywhere lost: on PostgreSQL two gain a
//     fifth from 64 callers. Two everywhere lost: where writers take turns, groups become
//     smaller for nothing. A size from which a second one starts lost: the best one
//     follows the number of callers.
//   - [Prefixed] puts the prefix before kinds and counters, not before ids, so
//     that lists, due listings and views of one tenant never scan another's.
//   - [Query] has a third order beside list and due: all documents of a kind by
//     id, so that an audit or an export can stream everything there is.
//   - Bodies keep unknown members at their top level only ([Codec]); preserving
//     them inside arrays has no right answer when elements move.
//   - What is written or read with every order writes and reads itself (package
//     jsonbody), held by tests to the bytes of encoding/json, member by member at any
//     depth. encoding/json alone lost: reflection was a third of a redemption. Code
//     made by a generator lost: a tool more to pin, for a handful of types.
package storage
