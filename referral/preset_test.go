package referral_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/referral"
)

func money(amount, currency string) ledger.Money {
	return ledger.MustMoney(amount, ledger.MustCurrency(currency))
}

// presets are all of them, with something in place of each parameter.
func presets() map[string]referral.Program {
	return map[string]referral.Program{
		"aliexpress":   referral.AliExpress("invite", 8, []coupon.IssueOffer{{Offer: "welcome", Count: 2}}, coupon.IssueOffer{Offer: "thanks"}),
		"ebay":         referral.Ebay("invite", eur("10.00"), 14*day, 8),
		"amazon":       referral.Amazon("invite"),
		"dropbox":      referral.Dropbox("invite"),
		"uber":         referral.Uber("invite", money("10.00", "USD"), money("15.00", "USD"), 8),
		"airbnb":       referral.Airbnb("invite", money("20.00", "USD"), money("40.00", "USD"), money("75.00", "USD")),
		"paypal":       referral.PayPal("invite", noon.Add(365*day)),
		"wise":         referral.Wise("invite", 9),
		"digitalocean": referral.DigitalOcean("invite"),
		"robinhood":    referral.Robinhood("invite", money("100.00", "USD")),
	}
}

// Every preset is data that is read strictly, and with its parameters a program that
// can be published; without them those that need some are refused.
func TestPresets(t *testing.T) {
	all := presets()
	require.Len(t, all, 10)
	var names []string
	for name := range all {
		names = append(names, name)
	}
	require.ElementsMatch(t, names, referral.Presets())
	complete := map[string]bool{"amazon": true, "dropbox": true, "paypal": true, "wise": true, "digitalocean": true, "robinhood": false}
	for name, p := range all {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, p.Validate())
			written, err := json.Marshal(p)
			require.NoError(t, err)
			read, err := referral.ParseProgram(written)
			require.NoError(t, err, string(written))
			assert.Equal(t, p, read)
			_, err = referral.ParseProgram([]byte(referral.PresetDocument(name)))
			assert.Equal(t, complete[name], err == nil, err)
		})
	}
	assert.Empty(t, referral.PresetDocument("../errors"))
}

// A document is read as strictly as an offer's: every fault is listed with its path.
func TestProgramDocumentFaults(t *testing.T) {
	_, err := referral.ParseProgram([]byte(`{"id": "a", "id": "b", "Name": "x", "name": null, "hold": "2 weeks", "due_within": 5,
		"qualify": {"minimum_spend": {"EUR": "1.005"}, "nth": 1.5}, "rewards": [{"side": "both", "step": "qualified", "credit": {"EUR": 5}}],
		"budget": {"amount": "x", "currency": "EUR"}, "attribution": "middle", "caps": {}}`))
	require.ErrorIs(t, err, referral.ErrProgram)
	var faults *referral.Faults
	require.ErrorAs(t, err, &faults)
	found := make(map[string]bool)
	for _, f := range faults.Faults {
		found[f.Path] = true
	}
	for _, path := range []string{
		"id", "Name", "name", "hold", "due_within", "qualify.minimum_spend.EUR", "qualify.nth", "rewards[0].side", "rewards[0].credit.EUR", "budget", "attribution", "caps",
	} {
		assert.True(t, found[path], "%s: %v", path, err)
	}
}

// Whatever the document, reading it answers with a valid program that is written and
// read again as it is, or with an error.
func FuzzParseProgram(f *testing.F) {
	for _, name := range referral.Presets() {
		f.Add([]byte(referral.PresetDocument(name)))
	}
	for _, p := range presets() {
		text, err := json.Marshal(p)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := referral.ParseProgram(data)
		if err != nil {
			require.ErrorIs(t, err, referral.ErrProgram)
			return
		}
		text, err := json.Marshal(p)
		require.NoError(t, err)
		again, err := referral.ParseProgram(text)
		require.NoError(t, err, string(text))
		more, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(text), string(more))
	})
}
