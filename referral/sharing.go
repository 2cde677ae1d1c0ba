package referral

import (
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/text/language"

	"github.com/vouch-go/vouch/coupon/strict"
)

// Channel is a way to pass a link on.
type Channel string

// The channels that [NewShare] knows.
const (
	ChannelEmail    Channel = "email"
	ChannelWhatsApp Channel = "whatsapp"
	ChannelX        Channel = "x"
	ChannelFacebook Channel = "facebook"
	ChannelTelegram Channel = "telegram"
)

// Share is what a referrer needs to pass their link on.
type Share struct {
	Subject string // for channels that have one
	Text    string // with the address in it, for channels that take one text
	Message string // without the address, for those that take it apart
	Targets []ShareTarget
}

// ShareTarget is an address that opens a channel with the message ready to be sent.
type ShareTarget struct {
	Channel Channel
	URL     string
}

// maxShared bounds the parts of a share in bytes, so that every target stays an
// address that browsers and mail programs take.
const maxShared = 500

// NewShare makes what a referrer needs to pass on the address of their link, an
// absolute one of http or https, in the reader's language: English when there is no
// catalogue of it. Shop is what the message calls the shop. Nothing that is put in can
// leave its place in a target, add a recipient or a line. It fails with a [*Faults].
func NewShare(address, shop string, tag language.Tag) (Share, error) {
	faults := &Faults{Kind: ErrRequest}
	if parsed, err := url.Parse(address); err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" || parsed.User != nil {
		faults.add("address", "is %.80q, want one like https://shop.example/invite?code=…", address)
	}
	for _, part := range []struct{ path, text string }{{"address", address}, {"shop", shop}} {
		if part.text == "" || len(part.text) > maxShared || !strict.Readable(part.text) {
			faults.add(part.path, "has %d bytes, want 1 to %d of text without control characters", len(part.text), maxShared)
		}
	}
	if err := faults.orNil(); err != nil {
		return Share{}, err
	}
	s := wordings.Speaker(tag)
	share := Share{
		Subject: s.Say("share_subject", "shop", shop),
		Message: s.Say("share_message", "shop", shop),
		Text:    s.Say("share_text", "shop", shop, "address", address),
	}
	u, subject, message, text := escape(address), escape(share.Subject), escape(share.Message), escape(share.Text)
	share.Targets = []ShareTarget{
		{ChannelEmail, fmt.Sprintf("mailto:?subject=%s&body=%s", subject, text)}, // RFC 6068
		{ChannelWhatsApp, "https://wa.me/?text=" + text},
		{ChannelX, fmt.Sprintf("https://x.com/intent/post?text=%s&url=%s", message, u)},
		{ChannelFacebook, "https://www.facebook.com/sharer/sharer.php?u=" + u},
		{ChannelTelegram, fmt.Sprintf("https://t.me/share/url?url=%s&text=%s", u, message)},
	}
	return share, nil
}

// escape writes a value of a query. A blank is %20: mail programs show a '+' as such.
func escape(value string) string { return strings.ReplaceAll(url.QueryEscape(value), "+", "%20") }
