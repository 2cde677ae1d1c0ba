package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
)

//go:embed seed/carts.json
var sampleCarts []byte

// checked is what is said of a document while it is being written: what is wrong with
// it, what its fine print is, and what it would do to sample carts. The page's script
// shows the same.
type checked struct {
	Faults   []string `json:"faults"`
	Findings []string `json:"findings"`
	Terms    []string `json:"terms"`
	Trials   []trial  `json:"trials"`
}

// trial is the document tried on a sample cart.
type trial struct {
	Name string `json:"name"`
	Says string `json:"says"`
}

func (t *site) check(q *request, document string) (c checked) {
	offer, err := coupon.ParseOffer([]byte(document))
	var faults *coupon.Faults
	if errors.As(err, &faults) {
		for _, f := range faults.Faults {
			c.Faults = append(c.Faults, fmt.Sprintf("%s: %s", f.Path, f.Problem))
		}
		return c
	}
	if err != nil {
		c.Faults = []string{err.Error()}
		return c
	}
	for _, f := range coupon.Check([]coupon.Offer{offer}) {
		c.Findings = append(c.Findings, f.Sentence)
	}
	terms, err := coupon.FinePrint(offer, t.language(q), names)
	if err != nil {
		c.Faults = []string{err.Error()}
		return c
	}
	for _, term := range terms {
		c.Terms = append(c.Terms, term.Sentence)
	}
	c.Trials, err = t.trials(q, document)
	if err != nil {
		c.Faults = []string{err.Error()}
	}
	return c
}

// checkProgram is check for the referral program.
func (t *site) checkProgram(q *request, document string) (c checked) {
	terms, err := referral.ParseProgram([]byte(document))
	var faults *referral.Faults
	switch {
	case errors.As(err, &faults):
		for _, f := range faults.Faults {
			c.Faults = append(c.Faults, fmt.Sprintf("%s: %s", f.Path, f.Problem))
		}
	case err != nil:
		c.Faults = []string{err.Error()}
	case terms.ID != program:
		c.Faults = []string{"id: the shop runs one program: leave its id as it is"}
	default:
		if c.Terms, err = t.terms(q, terms); err != nil {
			c.Faults = []string{err.Error()}
		}
	}
	return c
}

// terms is the program in plain words, in the reader's language.
func (t *site) terms(q *request, p referral.Program) ([]string, error) {
	written, err := referral.FinePrint(p, t.language(q), referral.FinePrintOptions{Name: func(what, id string) string {
		if what != "offer" {
			return ""
		}
		offer, err := t.coupons.Offer(q.Context(), id, 0, t.now())
		if err != nil {
			return "" // its id will have to do
		}
		return offer.Name
	}})
	if err != nil {
		return nil, err
	}
	var sentences []string
	for _, term := range written {
		sentences = append(sentences, term.Sentence)
	}
	return sentences, nil
}

func (t *site) trials(q *request, document string) ([]trial, error) {
	var samples []struct {
		Name string
		Cart json.RawMessage
	}
	if err := json.Unmarshal(sampleCarts, &samples); err != nil {
		return nil, err
	}
	var tried []trial
	for _, sample := range samples {
		text, err := json.Marshal(map[string]any{
			"cart": sample.Cart, "offers": []json.RawMessage{json.RawMessage(document)}, "at": t.now().Format("2006-01-02T15:04:05Z"),
		})
		if err != nil {
			return nil, err
		}
		parsed, err := coupon.ParseTrial(text)
		if err != nil {
			return nil, err
		}
		quote, err := parsed.Quote()
		if err != nil {
			return nil, err
		}
		full := ledger.Minor(quote.Subtotal.Minor()+quote.Shipping.Minor(), eur)
		says := fmt.Sprintf("%s € off %s €", quote.Discount.Amount(), full.Amount())
		if len(quote.Refused()) > 0 {
			says = quote.Refused()[0].In(t.language(q))
		}
		tried = append(tried, trial{sample.Name, says})
	}
	return tried, nil
}
