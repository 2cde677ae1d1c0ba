package main

import "github.com/vouch-go/vouch/ledger"

// The currencies of the sets.
func usd(amount string) ledger.Money { return ledger.MustMoney(amount, ledger.MustCurrency("USD")) }
func brl(amount string) ledger.Money { return ledger.MustMoney(amount, ledger.MustCurrency("BRL")) }
func gbp(amount string) ledger.Money { return ledger.MustMoney(amount, ledger.MustCurrency("GBP")) }
