package coupon_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

var (
	firstKey  = []byte(strings.Repeat("first key ", 4))
	secondKey = []byte(strings.Repeat("second key ", 3))
)

func keyed(key []byte, old ...[]byte) coupon.Options {
	return coupon.Options{CodeKey: key, OldCodeKeys: old}
}

func codeDoc(key []byte, code coupon.Code) storage.Key {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(code))
	return storage.Key{Kind: "code", ID: hex.EncodeToString(mac.Sum(nil))}
}

func TestKeyedCodes(t *testing.T) {
	s := newShopOn(t, memory.New(), keyed(firstKey), limited(amountOff("own", "2.00"), coupon.Limit{Per: coupon.PerCoupon, Uses: 1}))
	request := coupon.IssueRequest{ID: "welcome", Offers: []coupon.IssueOffer{{Offer: "own", Count: 2}, {Offer: "own", Code: "Summer-24"}}}
	made, err := s.Issue(ctx, request, noon)
	require.NoError(t, err)
	require.Len(t, made, 3)
	assert.Equal(t, coupon.Code("SUMMER24"), made[2].Code)

	for i, c := range made {
		parsed, err := coupon.ParseCode(c.Code.String())
		require.NoError(t, err)
		require.Equal(t, c.Code, parsed)
		docs, _, err := s.store.Get(ctx, []storage.Key{codeDoc(firstKey, c.Code)})
		require.NoError(t, err)
		require.Len(t, docs, 1)
		shown, err := s.Coupon(ctx, c.ID)
		require.NoError(t, err)
		assert.Equal(t, c.Code[len(c.Code)-4:], shown.Code)
		s.applies(cartOf(item("10.00", 1)), coupon.Choose(strings.ToLower(c.Code.String())), noon)
		if i > 0 {
			assert.NotEqual(t, made[i-1].Code, c.Code)
		}
	}
	again, err := s.Issue(ctx, request, noon)
	require.NoError(t, err)
	assert.Equal(t, made, again, "asked again, the codes are told again")
	s.redeem("order", cartOf(item("10.00", 1)), coupon.Choose(string(made[0].Code)), noon)

	whole := dump(t, s.store)
	for _, c := range made {
		assert.NotContains(t, whole, string(c.Code))
		assert.NotContains(t, whole, c.Code.String())
	}
	require.ErrorIs(t, ignore(s.Issue(ctx, coupon.IssueRequest{ID: "b", Offers: []coupon.IssueOffer{{Offer: "own", Code: "SUMMER24"}}}, noon)), coupon.ErrCodeTaken)
	request.Offers[1].Code = "SUMMER25"
	require.ErrorIs(t, ignore(s.Issue(ctx, request, noon)), coupon.ErrKeyReused)
}

// Codes made before there was a key, and under an older one, stay good while the
// older keys are known, and are told again.
func TestCodeKeysRotate(t *testing.T) {
	store := memory.New()
	offer := amountOff("own", "2.00")
	cart := cartOf(item("10.00", 1))
	request := func(id, chosen string) coupon.IssueRequest {
		return coupon.IssueRequest{ID: id, Offers: []coupon.IssueOffer{{Offer: "own"}, {Offer: "own", Code: chosen}}}
	}
	stages := []coupon.Options{{}, keyed(firstKey, nil), keyed(secondKey, firstKey, nil)}
	made := make(map[string][]coupon.Coupon)
	for i, options := range stages {
		s := newShopOn(t, store, options, offer)
		chosen := strings.Repeat("X", i+3)
		issued, err := s.Issue(ctx, request(chosen, chosen), noon)
		require.NoError(t, err)
		made[chosen] = issued
		for id, coupons := range made {
			again, err := s.Issue(ctx, request(id, id), noon)
			require.NoError(t, err)
			require.Equal(t, coupons, again)
			for _, c := range coupons {
				s.applies(cart, coupon.Choose(string(c.Code)), noon)
			}
			require.ErrorIs(t, ignore(s.Issue(ctx, request("other", id), noon)), coupon.ErrCodeTaken, "taken under any key")
		}
	}
	forgetful := newShopOn(t, store, keyed(secondKey))
	assert.Equal(t, coupon.ReasonUnknown, forgetful.refuses(cart, coupon.Choose(string(made["XXX"][0].Code)), noon).Reason)
	forgetful.applies(cart, coupon.Choose(string(made["XXXXX"][0].Code)), noon)
}

// What a request is remembered by stays as it is, so that one made before an upgrade is
// known again after it.
func TestGoldenIssueFingerprints(t *testing.T) {
	for fingerprint, options := range map[string]coupon.Options{
		"IwJxqiHFeCIbgxIQnkFf5PgjGfinPasAMVXGHjLYJz0": {}, "8Y0VeKj0AjDpaf28VNdDiXK-GYt6_Dxghwm6Eyazut4": keyed(firstKey),
	} {
		s := newShopOn(t, memory.New(), options, amountOff("own", "2.00"))
		_, err := s.Issue(ctx, coupon.IssueRequest{ID: "welcome", Offers: []coupon.IssueOffer{{Offer: "own"}, {Offer: "own", Code: "Summer-24"}}}, noon)
		require.NoError(t, err)
		docs, _, err := s.store.Get(ctx, []storage.Key{{Kind: "issue", ID: "welcome"}})
		require.NoError(t, err)
		require.Len(t, docs, 1)
		require.Contains(t, string(docs[0].Body), `"fingerprint":"`+fingerprint+`"`)
	}
}

func TestCodeKeyFaults(t *testing.T) {
	for path, options := range map[string]coupon.Options{
		"options.code_key":      keyed([]byte("too short")),
		"options.old_code_keys": keyed(firstKey, make([][]byte, 5)...),
	} {
		s := newShopOn(t, memory.New(), options, amountOff("own", "2.00"))
		_, err := s.Issue(ctx, coupon.IssueRequest{ID: "a", Offers: []coupon.IssueOffer{{Offer: "own"}}}, noon)
		assert.Equal(t, []string{path}, paths(t, err))
		_, err = s.IssueBatch(ctx, coupon.BatchRequest{ID: "a", Offer: "own", Count: 1}, noon)
		assert.Equal(t, []string{path}, paths(t, err))
	}
}

func TestCodeKeysOfTheLeastLength(t *testing.T) {
	s := newShopOn(t, memory.New(), keyed(firstKey[:16], make([][]byte, 4)...), amountOff("own", "2.00"))
	_, err := s.Issue(ctx, coupon.IssueRequest{ID: "a", Offers: []coupon.IssueOffer{{Offer: "own"}}}, noon)
	require.NoError(t, err)
}

// A code that is taken, by whatever coupon, is not given out again: the next one of
// the coupon is, and it is told again too.
func TestKeyedCodesThatAreTaken(t *testing.T) {
	options, offer := keyed(firstKey), amountOff("own", "2.00")
	request := coupon.IssueRequest{ID: "a", Offers: []coupon.IssueOffer{{Offer: "own", Count: 2}}}
	first, err := newShopOn(t, memory.New(), options, offer).Issue(ctx, request, noon)
	require.NoError(t, err)

	s := newShopOn(t, memory.New(), options, offer)
	s.takeCode(codeDoc(firstKey, first[1].Code))
	second, err := s.Issue(ctx, request, noon)
	require.NoError(t, err)
	assert.NotEqual(t, first[1].Code, second[1].Code)
	again, err := s.Issue(ctx, request, noon)
	require.NoError(t, err)
	assert.Equal(t, second, again)
}

// takeCode lets another coupon have a code.
func (s *shop) takeCode(key storage.Key) {
	s.t.Helper()
	require.NoError(s.t, s.store.Apply(ctx, storage.Batch{Puts: []storage.Put{{Key: key, Body: []byte(`{"format":1,"coupon":"another"}`)}}}))
}
