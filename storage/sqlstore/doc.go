// Package sqlstore keeps documents, lists and counters in a SQL database through
// database/sql: the shop's own database, so that a coupon is redeemed in the
// same transaction in which the order is written. It imports no driver.
//
// # The map
//
// Setting up:
//   - [New] makes a [Store] over a pool for a [Dialect] ([SQLite]). [SQLiteDSN]
//     is a good data source name.
//   - [Store.Migrate] creates the tables and the reporting views, at every start.
//     [Migrations] are its files, for goose, golang-migrate and DBAs;
//     [Store.CreateViews] is for those who use these.
//
// At work:
//   - [Store.Get], [Store.List] and [Store.Apply]: see package storage.
//   - [Store.InTx] begins a transaction, runs the shop's statements and ours in
//     it, commits, and does all of it again when the database asks.
//   - [Store.Within] binds the store to a transaction that the shop began and
//     will end, for shops that have their own way of running one ([Tx]).
//   - [Retryable] says when such a transaction should be done again;
//     [ErrTxAborted] that it is gone.
//   - [Store.Prune] discards counters whose time is over.
//
// # In the shop's transaction
//
// Do what touches the store last: a limited counter is locked from the change
// until the commit, and every other shopper waits for it that long. A refusal
// ([storage.Failure]) leaves the transaction as it was; after any other error
// roll back.
//
// # SQLite
//
// Settings belong into the DSN, where they reach every connection of the pool.
// Without busy_timeout a second writer is refused at once, and Apply and InTx
// fall back on trying again. SQLite waits for another program's lock without
// looking at the context: a cancelled call returns when busy_timeout is over. A
// transaction of the shop's that reads first and
// writes later is refused, whatever the timeout, when another has written in
// between: begin it with the write lock (_txlock=immediate, as in SQLiteDSN), or
// use InTx. ":memory:" is one database per connection: use a file, or set
// MaxOpenConns to 1 and never use the pool inside a transaction.
//
// Error classes are recognised for modernc.org/sqlite. For another driver give
// an Options.Classify that returns [Transient] for SQLITE_BUSY and
// SQLITE_LOCKED.
//
// # Tables
//
// Under the prefix: docs (kind, id, version, due, lists, body) with a unique
// index on (kind, id) and one on (kind, due, id) of those that have a due
// instant; lists (kind, list, place, id) with a unique index on all four in that
// order; counters (name, value, until, rev) with a unique index on name. A view
// reads docs of one kind: a query on it by id uses the index, one by any other
// column reads all documents of the kind.
//
// # Choices, and what lost
//
//   - A dialect is a name, and what the engines differ in is an interface of
//     this package. An interface for others to fulfil lost: it would freeze
//     every detail. An engine of your own fulfils storage.Store instead.
//   - Operations are statements of their own, in lock order. One statement for
//     many rows lost: it cannot say which row was refused.
//   - A document's lists are kept twice, as rows of the lists table and packed in
//     the document's row. An index from document to list rows lost: it costs a
//     write per row, and Get would need a second statement.
//   - The rows of docs are found through an index on (kind, id). A table ordered
//     by its key (WITHOUT ROWID) lost: bodies of 1 to 2 KB make its pages
//     overflow.
//   - On SQLite the writers of one program take turns. Leaving it to SQLite, where
//     they poll for the lock, lost: 32 callers changed one counter a quarter as
//     often, and the unlucky waited ten times as long.
//   - The prefix is replaced in the text of the migrations, and their checksum is
//     of the text as shipped. Templates lost: the files would not run as they are.
//   - InTx and Within are methods. Functions that take a pool or a transaction
//     lost: they would have to be told dialect and prefix at every call.
package sqlstore
