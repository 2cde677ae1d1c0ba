// Pricecheck tries offers on carts before they are published: it reads carts with
// the offers, coupons and codes to try on them, and writes what each cart costs and
// why.
//
//	go run ./examples/pricecheck < cart.json            the quote as JSON
//	go run ./examples/pricecheck -table < cart.json     a table for people, line by line with reasons
//	go run ./examples/pricecheck < carts.jsonl          JSON Lines: as many quotes, in order
//	go run ./examples/pricecheck -schema                the JSON Schema of the documents
//
// # What it reads
//
// JSON documents, one after the other, each beginning on a line of its own and going
// over as many lines as it likes. One document is a cart, the offers to try on it and
// the instant to try them for; everything else can be left out:
//
//	{
//	  "cart": {
//	    "currency": "EUR",
//	    "lines": [{"id": "1", "product": "tea", "seller": "acme", "categories": ["drinks"], "quantity": 3, "unit_price": "19.99", "floor": "15.00"}],
//	    "shipping": [{"id": "parcel", "seller": "acme", "method": "express", "price": "2.90"}],
//	    "customer": {"key": "jane", "segments": ["gold"], "orders": 2},
//	    "country": "DE", "channel": "app", "payment": "card", "attributes": {"city": "Berlin"}
//	  },
//	  "offers": [{
//	    "id": "ten", "name": "10 % off",
//	    "benefit": {"type": "percent", "percent": "10", "max": {"EUR": "20.00"}},
//	    "scope": {"in": {"categories": ["drinks"]}, "sale_items": "out"},
//	    "conditions": [{"type": "minimum_spend", "amounts": {"EUR": "50.00"}}],
//	    "limits": [{"per": "customer", "uses": 3, "period": "month"}]
//	  }],
//	  "coupons": [{"code": "TEN-OFF", "offer": "ten"}],
//	  "codes": ["ten off"],
//	  "used": {"ten": [{"per": "customer", "period": "month", "uses": 2}]},
//	  "select": "chosen",
//	  "at": "2026-11-20T12:00:00Z"
//	}
//
// Money is a decimal text in the cart's currency, a percentage is a decimal text too.
// Tried are: the codes typed, the coupons chosen from the wallet, the automatic
// offers, and every offer that no coupon of the document carries, so that a new offer
// is tried without a coupon; one whose coupons were not chosen is refused as such. With "select": "best" the set of these that takes most
// off is searched; otherwise they apply as they are chosen, by priority where they
// can't be combined.
//
// Every member is described in the schema ([coupon.TrialSchema], printed by -schema),
// the offers' in [coupon.OfferSchema] inside it. In testdata, basket.json has a little
// of everything; in the package coupon, testdata/cases has one thing each for all that
// an offer can say, with what comes of it, worked out by hand, and the reason why.
//
// # What it writes
//
// For each document a line of JSON, in order: the quote (the schema's definition
// "quote"), with what comes off each line and unit and by which offer, who pays for
// it, all sums, every offer and code applied or refused and why, what lowers the amount
// of an offer that takes off less than its benefit gives, and what is missing for the
// next one. With -table the same for people, and an empty line after each.
//
// A document with faults gives {"error":…,"faults":[{"path":…,"problem":…}]} in its
// place, with all of them, and those after it are read all the same. Nothing is
// guessed: unknown and repeated members, null, numbers for money and the like are
// faults.
//
// The exit code is 0 when every document came to a quote, 1 when one had faults or
// reading or writing failed, 2 when the program was called wrong. It reads nothing but
// its input, which may be endless: a document has at most 1 MiB.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/vouch-go/vouch/coupon"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run gives the exit code: 1 when a document had faults or the output could not be
// written, 2 when it was called wrong.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	flags := flag.NewFlagSet("pricecheck", flag.ContinueOnError)
	flags.SetOutput(errs)
	table := flags.Bool("table", false, "write an aligned table")
	schema := flags.Bool("schema", false, "write the JSON Schema of the documents")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		fmt.Fprintln(errs, "pricecheck: reads documents on standard input: pricecheck [-table | -schema] < cart.json")
		return 2
	}
	if *schema {
		if _, err := io.WriteString(out, coupon.TrialSchema()); err != nil {
			return failed(errs, err)
		}
		return 0
	}
	write := writeJSON
	if *table {
		write = writeTable
	}
	code, found := 0, false
	for document, err := range documents(in, coupon.MaxTrial) {
		found = true
		var quote *coupon.Quote
		if err == nil {
			quote, err = decide(document)
		}
		var unread *readError
		if errors.As(err, &unread) {
			return failed(errs, err)
		}
		if err != nil {
			code = 1
		}
		if err := write(out, quote, err); err != nil {
			return failed(errs, err)
		}
	}
	if !found {
		return failed(errs, errors.New("there is no document on standard input"))
	}
	return code
}

func failed(errs io.Writer, err error) int {
	fmt.Fprintln(errs, "pricecheck:", err)
	return 1
}

func decide(document []byte) (*coupon.Quote, error) {
	trial, err := coupon.ParseTrial(document)
	if err != nil {
		return nil, err
	}
	return trial.Quote()
}

// fault is one thing that is wrong with a document.
type fault struct {
	Path    string `json:"path"`
	Problem string `json:"problem"`
}

// faultsOf gives the sentence of an error and the faults it lists.
func faultsOf(err error) (string, []fault) {
	listed := []fault{}
	var faults *coupon.Faults
	if !errors.As(err, &faults) {
		return err.Error(), append(listed, fault{"", err.Error()})
	}
	for _, f := range faults.Faults {
		listed = append(listed, fault(f))
	}
	return faults.Kind.Error(), listed
}

// writeJSON writes a quote or what is wrong with its document in a line.
func writeJSON(out io.Writer, quote *coupon.Quote, err error) error {
	var value any = quote
	if err != nil {
		message, faults := faultsOf(err)
		value = struct {
			Error  string  `json:"error"`
			Faults []fault `json:"faults"`
		}{message, faults}
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
