package referral_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/coupon/strict"
	"github.com/vouch-go/vouch/coupon/wording/wordingtest"
	"github.com/vouch-go/vouch/referral"
)

func TestCatalogues(t *testing.T) { wordingtest.Catalogues(t) }

func ExampleNewShare() {
	jane := referral.Link{Program: "invite", Customer: "jane", Code: "7K2QX00000000Z"}
	for _, tag := range []language.Tag{language.English, language.French} {
		share, err := referral.NewShare("https://shop.example"+jane.Path(), "Tea & Co", tag)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(share.Subject)
		fmt.Println(share.Text)
		fmt.Println(share.Targets[1].URL)
	}
	// Output:
	// Join me at Tea & Co
	// I would like to invite you to Tea & Co. Here is my link: https://shop.example/invite?code=7K2QX-00000-000Z
	// https://wa.me/?text=I%20would%20like%20to%20invite%20you%20to%20Tea%20%26%20Co.%20Here%20is%20my%20link%3A%20https%3A%2F%2Fshop.example%2Finvite%3Fcode%3D7K2QX-00000-000Z
	// Rejoignez-moi sur Tea & Co
	// Je vous invite à découvrir Tea & Co. Voici mon lien : https://shop.example/invite?code=7K2QX-00000-000Z
	// https://wa.me/?text=Je%20vous%20invite%20%C3%A0%20d%C3%A9couvrir%20Tea%20%26%20Co.%20Voici%20mon%20lien%C2%A0%3A%20https%3A%2F%2Fshop.example%2Finvite%3Fcode%3D7K2QX-00000-000Z
}

// Whatever the shop is called and wherever its links lead: every target leads to its
// channel, and gives it exactly the words and the address.
func TestShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shop := rapid.OneOf(rapid.StringMatching(`[^\x00-\x1f\x7f]{1,40}`).Filter(strict.Readable), rapid.SampledFrom([]string{"a&bcc=eve@evil.com", "50% off + more", "?subject=x", "#", "é 🙂"})).Draw(t, "shop")
		address := "https://shop.example/invite?code=" + url.QueryEscape(rapid.StringN(1, 20, 40).Draw(t, "code"))
		share, err := referral.NewShare(address, shop, rapid.SampledFrom([]language.Tag{language.English, language.French, language.Japanese}).Draw(t, "tag"))
		require.NoError(t, err)
		require.Contains(t, share.Text, address)
		require.Contains(t, share.Subject, shop)
		want := map[referral.Channel]struct {
			base   string
			values map[string]string
		}{
			referral.ChannelEmail:    {"mailto:", map[string]string{"subject": share.Subject, "body": share.Text}},
			referral.ChannelWhatsApp: {"https://wa.me/", map[string]string{"text": share.Text}},
			referral.ChannelX:        {"https://x.com/intent/post", map[string]string{"text": share.Message, "url": address}},
			referral.ChannelFacebook: {"https://www.facebook.com/sharer/sharer.php", map[string]string{"u": address}},
			referral.ChannelTelegram: {"https://t.me/share/url", map[string]string{"url": address, "text": share.Message}},
		}
		require.Len(t, share.Targets, len(want))
		for _, target := range share.Targets {
			u, err := url.Parse(target.URL)
			require.NoError(t, err)
			require.NotContains(t, u.RawQuery, "+")
			values, err := url.ParseQuery(u.RawQuery)
			require.NoError(t, err)
			require.Len(t, values, len(want[target.Channel].values))
			for name, value := range want[target.Channel].values {
				require.Equal(t, []string{value}, values[name], target.URL)
			}
			u.RawQuery = ""
			require.Equal(t, want[target.Channel].base, strings.TrimSuffix(u.String(), "?"))
		}
	})
}

func TestShareFaults(t *testing.T) {
	for _, address := range []string{"", "/invite", "javascript:alert(1)", "https:/evil.com", "https://jane:secret@shop.example/", "https://shop.example/\n", "https://shop.example/" + strings.Repeat("x", 500)} {
		require.ErrorIs(t, second(referral.NewShare(address, "shop", language.English)), referral.ErrRequest, address)
	}
	for _, shop := range []string{"", "a\r\nBcc: eve@evil.com", "\xff", strings.Repeat("x", 501)} {
		require.ErrorIs(t, second(referral.NewShare("https://shop.example", shop, language.English)), referral.ErrRequest, shop)
	}
}
