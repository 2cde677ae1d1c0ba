package ledger

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/storage/jsonbody"
)

// TestEntriesAreWrittenAsByEncodingJSON: an entry writes itself byte for byte as its
// tags say, whatever is in it.
func TestEntriesAreWrittenAsByEncodingJSON(t *testing.T) {
	currencies := rapid.SampledFrom([]Currency{{}, MustCurrency("EUR"), MustCurrency("JPY"), MustCurrency("KWD"), MustCurrency("PTS:0"), MustCurrency("POINTS:3")})
	claims := rapid.Custom(func(t *rapid.T) Claim {
		n := rapid.Int64Range(-2, 2)
		return Claim{rapid.String().Draw(t, "counter"), n.Draw(t, "n"), n.Draw(t, "max"), n.Draw(t, "until"), int(n.Draw(t, "shards"))}
	})
	transfers := rapid.Custom(func(t *rapid.T) transferBody {
		return transferBody{Account(rapid.String().Draw(t, "from")), Account(rapid.String().Draw(t, "to")), rapid.Int64().Draw(t, "minor"), currencies.Draw(t, "currency")}
	})
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String()
		b := entryBody{
			Kind: text.Draw(t, "kind"), At: rapid.Int64().Draw(t, "at"), Actor: text.Draw(t, "actor"), Subject: text.Draw(t, "subject"),
			Concerns: text.Draw(t, "concerns"), Part: rapid.Int().Draw(t, "part"), Parts: rapid.Int().Draw(t, "parts"),
		}
		if rapid.Bool().Draw(t, "lists") {
			b.Details = rapid.MapOf(text, text).Draw(t, "details")
			b.Transfers = rapid.SliceOf(transfers).Draw(t, "transfers")
			b.Claims = rapid.SliceOf(claims).Draw(t, "claims")
			b.Floors = rapid.SliceOf(rapid.Int64()).Draw(t, "floors")
		}
		requireWrittenAsTagged(t, b, &b)

		m := Minor(rapid.Int64().Draw(t, "minor"), currencies.Draw(t, "money"))
		var w jsonbody.Writer
		WriteMoney(&w, "", m)
		want, err := json.Marshal(m)
		require.Equal(t, err == nil, w.Err() == nil)
		require.Equal(t, string(want), string(w.Text))
	})
}

func requireWrittenAsTagged(t require.TestingT, tagged any, writer interface{ WriteMembers(*jsonbody.Writer) }) {
	want, err := json.Marshal(tagged)
	require.NoError(t, err)
	var w jsonbody.Writer
	w.Open("", '{')
	writer.WriteMembers(&w)
	w.Close('}')
	require.NoError(t, w.Err())
	require.Equal(t, string(want), string(w.Text))
}
