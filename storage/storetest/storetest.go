// Package storetest is the conformance suite that any [storage.Store] must
// pass. A store's own tests call [Run] and need little besides.
package storetest

import (
	"testing"

	"github.com/vouch-go/vouch/storage"
)

// Features says what a store offers beside the contract, and what it keeps for
// itself. The zero value tests the contract as it is written.
type Features struct {
	// Tx opens an empty database for the set about the caller's transaction.
	// Nil: the store has no such thing, and the set is left out.
	Tx func(t *testing.T) TxHarness

	// Reserved is the number of bytes of every kind and counter's name that the
	// store needs for itself, as storage.Prefixed does.
	Reserved int
}

// Run runs every subtest against stores made by open, which gives a new, empty
// store each time and registers its own clean-up with t.
func Run(t *testing.T, open func(t *testing.T) storage.Store, features Features) {
	t.Helper()
}
