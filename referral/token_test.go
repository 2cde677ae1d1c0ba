package referral_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/referral"
)

func signingKey(id string, fill byte) referral.SigningKey {
	return referral.SigningKey{ID: id, Secret: bytes.Repeat([]byte{fill}, 32)}
}

func newSigner(t checker, keys ...referral.SigningKey) *referral.Signer {
	t.Helper()
	s, err := referral.NewSigner(keys...)
	require.NoError(t, err)
	return s
}

func ExampleSigner() {
	secret := []byte("32 random bytes, from a safe place")
	signer, err := referral.NewSigner(referral.SigningKey{ID: "2026", Secret: secret})
	if err != nil {
		fmt.Println(err)
		return
	}
	jane := referral.Link{Program: "invite", Customer: "jane", Code: "7K2QX00000000Z"}
	token, err := jane.Token(signer, noon.Add(60*day))
	fmt.Println(strings.Split(token, ".")[:4], err)
	code, err := signer.Code(token, noon.Add(59*day))
	fmt.Println(code, err)
	_, err = signer.Code(token, noon.Add(60*day))
	fmt.Println(err)
	_, err = signer.Code(token+"A", noon)
	fmt.Println(err)
	// Output:
	// [v1 2026 N0syUVgwMDAwMDAwMFo 1800360000] <nil>
	// 7K2QX-00000-000Z <nil>
	// referral: the token has expired: at 2027-01-19T12:00:00Z
	// referral: this is no token of this shop for this purpose
}

// A token says what was signed until it ends, for its purpose only, and no other text
// is a token: whatever is changed, added or left out.
func TestTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSigner(t, signingKey("new", 1), signingKey("old", 2))
		payload := rapid.StringN(-1, -1, 256).Draw(t, "payload")
		life := time.Duration(rapid.Int64Range(0, int64(400*day)).Draw(t, "life"))
		token, err := s.Sign(referral.PurposeLink, payload, noon.Add(life))
		require.NoError(t, err)
		at := noon.Add(time.Duration(rapid.Int64Range(0, int64(400*day)).Draw(t, "at")))
		read, err := s.Read(referral.PurposeLink, token, at)
		if at.Unix() < noon.Add(life).Unix() {
			require.NoError(t, err)
			require.Equal(t, payload, read)
		} else {
			require.ErrorIs(t, err, referral.ErrTokenExpired)
		}
		require.ErrorIs(t, second(s.Read(referral.PurposeRefusal, token, at)), referral.ErrToken)

		i := rapid.IntRange(0, len(token)-1).Draw(t, "place")
		char := rapid.SampledFrom(strings.Split("abcXYZ019.-_=+/ %\n\x00é", "")).Draw(t, "char")
		for _, changed := range []string{token[:i] + char + token[i+1:], token[:i] + char + token[i:], token[:i] + token[i+1:], token + char, char + token} {
			if changed != token {
				require.ErrorIs(t, second(s.Read(referral.PurposeLink, changed, noon)), referral.ErrToken, changed)
			}
		}
	})
}

func TestTokenKeysRotate(t *testing.T) {
	old, both, anew := newSigner(t, signingKey("a", 1)), newSigner(t, signingKey("b", 2), signingKey("a", 1)), newSigner(t, signingKey("b", 2))
	before, err := old.Sign(referral.PurposeLink, "x", noon.Add(day))
	require.NoError(t, err)
	after, err := both.Sign(referral.PurposeLink, "x", noon.Add(day))
	require.NoError(t, err)
	for _, token := range []string{before, after} {
		require.NoError(t, second0(both.Read(referral.PurposeLink, token, noon)))
	}
	require.NoError(t, second0(anew.Read(referral.PurposeLink, after, noon)))
	require.ErrorIs(t, second(anew.Read(referral.PurposeLink, before, noon)), referral.ErrToken)
	require.ErrorIs(t, second(old.Read(referral.PurposeLink, after, noon)), referral.ErrToken)

	renamed := newSigner(t, signingKey("a", 2)) // an id is no proof of a secret
	require.ErrorIs(t, second(renamed.Read(referral.PurposeLink, before, noon)), referral.ErrToken)
}

func TestTokensOfTheLongestPayload(t *testing.T) {
	signer, err := referral.NewSigner(signingKey("a", 1))
	require.NoError(t, err)
	for beyond := range 2 {
		payload := strings.Repeat("x", 256+beyond)
		token, err := signer.Sign("link", payload, noon.Add(day))
		require.Equal(t, beyond == 0, err == nil, err)
		if err == nil {
			read, err := signer.Read("link", token, noon)
			require.NoError(t, err)
			require.Equal(t, payload, read)
		}
	}
}

func TestSignerFaults(t *testing.T) {
	for name, keys := range map[string][]referral.SigningKey{
		"none":        nil,
		"short":       {{ID: "a", Secret: make([]byte, 31)}},
		"id":          {{ID: "A.b", Secret: make([]byte, 32)}},
		"one id, two": {signingKey("a", 1), signingKey("a", 2)},
	} {
		require.ErrorIs(t, second(referral.NewSigner(keys...)), referral.ErrRequest, name)
	}
	s := newSigner(t, signingKey("a", 1))
	require.ErrorIs(t, second(s.Sign(referral.PurposeLink, strings.Repeat("x", 257), noon)), referral.ErrRequest)
	require.ErrorIs(t, second(s.Sign(referral.PurposeLink, "x", time.Time{})), referral.ErrRequest)
}

// Whatever comes back from a browser: it is the token that was made, or none.
func FuzzToken(f *testing.F) {
	s := newSigner(f, signingKey("a", 1))
	token, err := s.Sign(referral.PurposeLink, "payload", noon.Add(day))
	require.NoError(f, err)
	for _, text := range []string{token, "", "v1....", "v1.a.cGF5bG9hZA.1795262400.", "v0" + token[2:], "none.a.e30.0.", token + "=", strings.ToUpper(token)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		payload, err := s.Read(referral.PurposeLink, text, noon)
		if text == token {
			require.NoError(t, err)
			require.Equal(t, "payload", payload)
			return
		}
		require.ErrorIs(t, err, referral.ErrToken)
	})
}
