package storetest

import (
	"testing"

	"github.com/vouch-go/vouch/storage"
)

// TxHarness is a database with the store's tables and one table of the shop's
// own, its orders, empty at first. With it the suite tests the store bound to a
// transaction that the caller began and will end.
//
// In the subtests with one goroutine nothing outside a transaction is used while
// it is open, so a pool of one connection is enough.
type TxHarness struct {
	// Store is the store outside any transaction of the caller's.
	Store storage.Store

	// Begin begins a transaction as a shop would. It is called from several
	// goroutines at once, and waits or fails with a retryable error when the
	// engine cannot give each its own.
	Begin func() (Tx, error)

	// Orders counts the committed orders, outside any transaction.
	Orders func() (int, error)

	// Retryable says that an error asks for the whole transaction to be done
	// again from its Begin. Nil: no error does.
	Retryable func(error) bool

	// WrongHandles are attempts to bind the store to what is no open transaction
	// (a pool, a connection, nil), by name. Each must give an error.
	WrongHandles map[string]func() error
}

// Tx is one transaction of the shop's.
type Tx struct {
	Store       storage.Store         // the store bound to the transaction
	InsertOrder func(id string) error // inserts into the shop's orders in the same transaction
	Commit      func() error
	Rollback    func() error
}

func runTx(t *testing.T, open func(*testing.T) TxHarness) {}
