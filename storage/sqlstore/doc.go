// Package sqlstore keeps documents, lists and counters in a SQL database through
// database/sql: the shop's own database, so that a coupon is redeemed in the
// same transaction in which the order is written. It imports no driver.
//
// # The map
//
// Setting up:
//   - [New] makes a [Store] over a pool for a [Dialect] ([SQLite], [PostgreSQL],
//     [MySQL]). [SQLiteDSN] is a good data source name.
//   - [Store.Migrate] creates the tables and the reporting views, at every start.
//     [Migrations] are its files, for goose and golang-migrate; [Script] is all of it
//     as SQL, for a DBA; [Store.CreateViews] is for those who use these.
//   - [Store.Doctor] says what in the database's settings and tables endangers
//     what the library promises, and what to do about it.
//
// At work:
//   - [Store.Get], [Store.List] and [Store.Apply]: see package storage.
//   - [Store.InTx] begins a transaction, runs the shop's statements and ours in
//     it, commits, and does all of it again when the database asks.
//   - [Store.Within] binds the store to a transaction that the shop began and
//     will end, for shops that have their own way of running one ([Tx]);
//     [WithinPgx] to one of pgx's own interface.
//   - [Retryable] says when such a transaction should be done again;
//     [ErrTxAborted] that it is gone.
//   - [Store.Prune] discards counters whose time is over.
//   - Options.Log and Options.Observe tell of retries, conflicts and refusals
//     ([Event]); [Counts] counts them.
//
// # In the shop's transaction
//
// Do what touches the store last: a limited counter is locked from the change
// until the commit, and every other shopper waits for it that long. A refusal
// ([storage.Failure]) leaves the transaction as it was; after any other error
// roll back.
//
// No level of isolation has to be set, and every limit holds at each. What becomes of
// a batch in a transaction that has read before, when another has changed the same
// since then:
//
//	                                     document    counter     Check of a   nothing
//	                                     changed     at its end  changed doc  in common
//	SQLite      begun with the lock      cannot happen: others wait
//	            deferred                 again       again       again        again
//	PostgreSQL  read (un)committed       conflict    limit       conflict     applied
//	            repeatable read          again       again       snapshot     applied
//	            serializable             again       again       snapshot     applied
//	MySQL       read (un)committed       conflict    limit       conflict     applied
//	MariaDB     repeatable read          again       limit       snapshot     applied
//	            …, snapshot isolation    again       again       snapshot     applied
//	            serializable             conflict    limit       conflict     applied
//
// In a transaction that has not read before, each is as under read committed.
// "Again" is [Retryable]: only a new transaction sees the change ([ErrStale], or
// the database's own error). "Snapshot": the Check sees what was there when the
// transaction first read, so that what must be seen at the last moment (that an
// offer was paused) wants read committed, or a transaction that is short. Snapshot
// isolation is MariaDB's innodb_snapshot_isolation, the default from 11.6. At read
// uncommitted a read may show what is never committed: [Store.Doctor] warns of it.
//
// # The handles of other libraries
//
//	database/sql   store.Within(tx)
//	sqlx           store.Within(tx)         *sqlx.Tx is as it is
//	bun            store.Within(btx.Tx)     bun's own would write arguments into the text
//	ent            store.Within(tx)         of a client made with --feature sql/execquery
//	GORM           handle, _ := tx.Statement.ConnPool.(sqlstore.Tx)
//	               store.Within(handle)     tx.DB() is the pool, and does not compile
//	pgx            sqlstore.WithinPgx(store, tx)
//
// A pool, a connection or a client in the place of a transaction does not compile,
// or is refused with [ErrHandle]: what it wrote would survive the rollback.
//
// # Reports
//
// The views join with the shop's own tables. What each order was worth, what its
// coupons took off, and what its referral earned whom, in one query that is the same on
// every engine:
//
//	SELECT o.id, o.total, r.discount, r.refunded, f.state, f.referrer, w.state
//	FROM orders o
//	LEFT JOIN vouch_redemptions r ON r.order_id = o.id
//	LEFT JOIN vouch_referrals f ON f.order_id = o.id
//	LEFT JOIN vouch_rewards w ON w.program = f.program AND w.friend = f.friend AND w.side = 'referrer'
//
// By id (coupon_id, order_id of a redemption, …) a view looks up an index; by any other
// column it reads all documents of its kind.
//
// # Upgrades
//
// Migrations only go forward, and only add. While an older release is still
// running it works on with the newer tables; a document that a newer one has written
// in another format it leaves alone (storage.ErrNewer). When it is started anew,
// Migrate tells it of the newer schema with [ErrNewerSchema] and has changed nothing:
// it may go on, or better wait for its own upgrade.
//
// # Many callers at once
//
// storage.Grouped(store, …) applies the batches of callers that come at the same time
// in one transaction ([Store.ApplyEach]): what they rest on is read, they are judged
// here one after the other, and what they come to is written, on condition that what
// was read still is so. On PostgreSQL and MariaDB they are first taken to hold, and written
// on condition that they do, in one statement. It pays where commits are slow or a counter
// is hot; the rest of the program stays as it is. A counter that shops' own transactions
// hold for long is better spread over shards (coupon.Limit).
//
// # PostgreSQL
//
// From 12, in UTF8, through pgx or lib/pq. Apply is one round trip: a batch of up to
// 16 operations that makes documents and counts is one statement, any other a call of
// a function that the migrations create; inside a transaction it is always the
// function, and two more round trips for its savepoint. The statement commits by
// itself outside one, so that an error of the connection
// there is storage.ErrOutcomeUnknown. No statement fails by design, because
// one that fails ends the transaction. A context that ends during a statement
// costs the connection, with every driver: the store sets no deadline of its own.
//
// Batches that are applied together and make a thousand documents or more, as a batch of
// coupons does, are written by COPY through pgx, in a transaction with a COMMIT; through
// another driver by the function.
//
// # MySQL and MariaDB
//
// MySQL from 8.0 and MariaDB from 10.6, on InnoDB, through go-sql-driver/mysql,
// with and without clientFoundRows. On MariaDB an Apply outside a transaction is one
// compound statement (BEGIN NOT ATOMIC), and so one round trip, with arguments as literals;
// a second one reads first, where a batch changes or deletes documents or was refused.
// Such a statement commits by itself, so that an error of the connection there is
// storage.ErrOutcomeUnknown. MySQL has none, which the store learns at its first Apply:
// there, and inside a transaction, interpolateParams=true halves the round trips.
// Of several who create the same document at once, of whom the first is rolled back,
// InnoDB may end another by a deadlock, which Apply and InTx do again.
// A deadlock ends the transaction silently there, and each statement after it
// would commit by itself: Apply looks, and fails with [ErrTxAborted]. DDL commits
// too. The views give ids as bytes (VARBINARY), which compare with any text and use the
// index; CONVERT(id USING utf8mb4) shows them.
// Galera with several writers loses updates even when healthy and is not
// supported.
//
// # TiDB
//
// TiDB passes the same tests through MySQL's dialect (tried with 8.4), with its
// pessimistic transactions, which are the default. It knows read committed and
// repeatable read only. Conflicts that it finds late (errors 9007, 9004, 8002), and a
// statement that came too late 256 times (1105), are
// [Retryable] like deadlocks. Its transactions see the tables that were there when
// they began: call Migrate before any.
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
// order; counters (name, value, until, rev) with a unique index on name; on
// PostgreSQL the functions apply (one batch), find and store (several), read (many keys)
// and, for releases that still call it, write. They run with the rights of whoever calls
// them. On MySQL the index on due has all documents.
//
// # Choices, and what lost
//
//   - A dialect is a name, and what the engines differ in is an interface of
//     this package. An interface for others to fulfil lost: it would freeze
//     every detail. An engine of your own fulfils storage.Store instead.
//   - Inside a caller's transaction operations are statements of their own, in lock
//     order: on PostgreSQL in a function of the database's, where each costs no round
//     trip. Outside one, a batch that makes documents and counts is short: on
//     PostgreSQL one statement of common table expressions, each of which finds its
//     row by its key and waits for the one before; on the others the rows of a table
//     together. Neither can say which row was refused: then it is read, and judged
//     here, and a refused batch has written nothing. The function alone lost: it takes
//     1.6 to 2 times as long as a statement.
//   - Batches in common are judged in the program and written with the range of values
//     for which every verdict stays the same. A savepoint for each lost: a round trip,
//     and on PostgreSQL a subtransaction. Locking what is read first lost on
//     PostgreSQL: another round trip while others wait; MySQL, which has no way to
//     change many rows each on its own condition, does lock them, and only rows that
//     exist. MariaDB's compound statement has the conditions in it, and locks first only
//     what others were too fast for twice.
//   - What makes documents and counts is written without having been read, as if all of it
//     held, which the statement finds out: in groups on PostgreSQL, and always on MariaDB.
//     Where it does not hold nothing is written, and the next few are read for first: what
//     is full stays so for a while. To read always lost: five rows for each redemption.
//   - In a compound statement of MariaDB's the documents checked are read in a
//     SELECT … INTO before the transaction begins. The subquery of an IF, of an INSERT or
//     of an UPDATE lost: it locks what it reads, and the gap where it finds nothing.
//     Literals lost nothing against arguments, and compound statements take none without
//     being prepared.
//   - A group that is refused as a whole falls apart: each batch goes its own way, and
//     is answered for itself. Halving it lost: it only delays the answer.
//   - COPY is pgx's alone, found by the names of its methods. That of lib/pq lost: while
//     it waits for a lock it does not look at the context.
//   - On PostgreSQL up to 16 rows are looked up by a SELECT each in one UNION: drivers
//     keep statements prepared, and the plan that is made for a list of keys while a
//     table is small reads all of it when it has grown. More are looked up by a function
//     that takes them as arrays and goes by the index: a list of them would be planned
//     anew for each number of keys.
//   - A document's lists are kept twice, as rows of the lists table and packed in
//     the document's row. An index from document to list rows lost: it costs a
//     write per row, and Get would need a second statement.
//   - The rows of docs are found through an index on (kind, id). A table ordered
//     by its key (WITHOUT ROWID) lost: bodies of 1 to 2 KB make its pages
//     overflow.
//   - A conflict that a snapshot hides is found by reading the document once more,
//     plainly. A locking read, which would show it on MySQL, lost: the rest of what
//     the caller decides on would still be the snapshot's.
//   - A Check reads plainly, on MySQL too. A lock to share lost: whoever pauses an
//     offer would wait for every order on its way, and the next orders for them.
//   - On MySQL an Add first reads whether its counter exists. Trying the UPDATE first
//     lost: of a counter that does not exist it locks the gap, and two shoppers
//     whose first use it is deadlock.
//   - A view is made anew only when its declaration has changed. Making it at every
//     start lost: on PostgreSQL it waits for every report, and fails when the shop
//     has views of its own over ours. MySQL cannot tell, and replaces it.
//   - On SQLite the writers of one program take turns. Leaving it to SQLite, where
//     they poll for the lock, lost: 32 callers changed one counter a quarter as
//     often, and the unlucky waited ten times as long.
//   - The prefix is replaced in the text of the migrations, and their checksum is
//     of the text as shipped. Templates lost: the files would not run as they are.
//   - Migrate takes a migration for done when all it creates is there. A method to
//     say so by hand lost: whoever forgot it could not start.
//   - Doctor compares indexes by their columns and not by name: tables may have been
//     made by hand.
//   - Events are one function and one struct. An interface with a method for each
//     lost: every new event would break it.
//   - InTx and Within are methods. Functions that take a pool or a transaction
//     lost: they would have to be told dialect and prefix at every call.
package sqlstore
