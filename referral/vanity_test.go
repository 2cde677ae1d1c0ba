package referral_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
	"github.com/vouch-go/vouch/storage/memory"
)

func ExampleService_ChooseCode() {
	t := newTown(program(8))
	for _, chosen := range []string{"jane", "JANE", "7K2QX00000000Z"} {
		link, err := t.ChooseCode(ctx, "invite", "jane", chosen, noon)
		fmt.Println(link.Code, err)
	}
	_, err := t.ChooseCode(ctx, "invite", "eve", "jane", noon)
	fmt.Println(err)
	o := print1(t.Register(ctx, referral.Registration{Customer: "mia", Code: "Jane"}, noon))
	fmt.Println(o.Bound, o.Referrer)
	// Output:
	// JANE <nil>
	// JANE <nil>
	//  coupon: not a code: codes are 3 to 32 letters and digits: 14 characters are the shape of made codes: choose another length
	// referral: the code is taken, or looks like one that is: choose another: JANE
	// true jane
}

func TestVanityGuards(t *testing.T) {
	store := memory.New()
	s := openShop(t, store, referral.Options{ReservedCodes: []string{"Admin", "tea-shop"}, VanityCodes: 2}, program(8))
	defer requireAudit(t, store)
	choose := func(customer, chosen string) error {
		return second(s.ChooseCode(ctx, "invite", customer, chosen, noon))
	}
	require.Error(t, choose("jane", "J0HNWIN"), "no error")
	for name, try := range map[string]struct {
		customer, chosen string
		want             error
	}{
		"another's":       {"eve", "johnwin", referral.ErrCodeTaken},
		"looks like it":   {"eve", "JOHNWIN", referral.ErrCodeTaken},
		"two for one":     {"eve", "J0HNVVIN", referral.ErrCodeTaken},
		"reserved":        {"eve", "admin", referral.ErrCodeReserved},
		"looks reserved":  {"eve", "ADM1N", referral.ErrCodeReserved},
		"reserved, typed": {"eve", "TEA SHOP", referral.ErrCodeReserved},
		"short":           {"eve", "AB", coupon.ErrCode},
		"Cyrillic":        {"eve", "АDMIN", coupon.ErrCode},
		"long s":          {"eve", "ſhop", nil},
		"nobody":          {"", "NOBODY", referral.ErrRequest},
	} {
		err := choose(try.customer, try.chosen)
		if try.want == nil {
			require.EqualError(t, err, "no error", name) // NFKC makes a plain s of it, as in any code
			continue
		}
		require.ErrorIs(t, err, try.want, name)
	}
	require.EqualError(t, choose("jane", "SECOND"), "no error")
	require.ErrorIs(t, choose("jane", "THIRD"), referral.ErrCodeLimit)
	require.EqualError(t, choose("jane", "second"), "no error", "asked again")
	require.ErrorIs(t, second(s.ChooseCode(ctx, "none", "jane", "OTHER", noon)), referral.ErrNoProgram)
	require.NoError(t, s.Pause(ctx, "invite", "staff", "asked for", noon))
	require.ErrorIs(t, choose("jane", "OTHER"), referral.ErrPaused)
	none := on(store, referral.Options{VanityCodes: -1})
	require.NoError(t, s.Resume(ctx, "invite", "staff", "asked for", noon))
	require.ErrorIs(t, second(none.ChooseCode(ctx, "invite", "ida", "IDA", noon)), referral.ErrCodeLimit)
}

// Whoever chooses what: a code leads to one customer for ever, no two customers have
// codes that look alike, and nobody has more than they may.
func TestVanityCodes(t *testing.T) {
	looks := map[rune]rune{'O': '0', 'I': '1', 'L': '1', 'S': '5'}
	rapid.Check(t, func(t *rapid.T) {
		store := memory.New()
		s := openShop(t, store, referral.Options{}, program(8))
		owner, count := map[string]string{}, map[string]int{}
		for range rapid.IntRange(1, 12).Draw(t, "choices") {
			customer := rapid.SampledFrom([]string{"jane", "eve", "ida"}).Draw(t, "customer")
			chosen := rapid.StringMatching(`[O0IL1S5A]{3,4}`).Draw(t, "chosen")
			look := []rune(chosen)
			for i, r := range look {
				if l, ok := looks[r]; ok {
					look[i] = l
				}
			}
			link, err := s.ChooseCode(ctx, "invite", customer, chosen, noon)
			switch {
			case err == nil:
				if owner[string(look)] == "" {
					count[customer]++
				}
				require.Contains(t, []string{"", customer}, owner[string(look)])
				owner[string(look)] = customer
				touched, err := s.Touch(ctx, referral.TouchRequest{ID: chosen, Visitor: "v", Code: chosen}, noon)
				require.NoError(t, err)
				require.Equal(t, link, touched)
			case errors.Is(err, referral.ErrCodeTaken):
				require.NotEmpty(t, owner[string(look)])
			default:
				require.ErrorIs(t, err, referral.ErrCodeLimit)
				require.Equal(t, 3, count[customer])
			}
		}
		requireAudit(t, store)
	})
}
