package referral

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/vouch-go/vouch/coupon/strict"
	"github.com/vouch-go/vouch/storage"
)

// Person is what a shop knows of somebody. None of it is kept: only keyed hashes are.
type Person struct {
	Account     string   // the shop's key of the customer
	Email       string   // as typed; see [FoldEmail]
	Phone       string   // with the country, as in "+33 1 23 45 67 89"
	Instruments []string // fingerprints of cards and accounts, from the payment provider; at most 10
	Devices     []string // of installations or browsers; at most 10
	Sellers     []string // accounts of sellers that the person runs; at most 10
}

// IdentifierKind is what an identifier of a person is.
type IdentifierKind string

// The kinds of identifiers.
const (
	IdentifierAccount    IdentifierKind = "account"
	IdentifierEmail      IdentifierKind = "email"
	IdentifierPhone      IdentifierKind = "phone"
	IdentifierInstrument IdentifierKind = "instrument"
	IdentifierDevice     IdentifierKind = "device"
	IdentifierSeller     IdentifierKind = "seller"
)

// proves says that two accounts with the same identifier of this kind are taken for
// one person when one of them was erased. A device is shared and sold, a shop is run by
// several.
func (k IdentifierKind) proves() bool { return k != IdentifierDevice && k != IdentifierSeller }

// identifier is one thing that tells who somebody is, in its normal form.
type identifier struct {
	kind  IdentifierKind
	value string
}

const (
	maxIdentifiers = 10  // of a kind that somebody may have several of
	maxIdentifier  = 254 // bytes, as of an e-mail address
)

// identifiers are what the person is known by, the account first.
func (p *Person) identifiers(faults *Faults) []identifier {
	var all []identifier
	add := func(path string, kind IdentifierKind, value, folded string) {
		if len(value) > maxIdentifier || !strict.Readable(value) {
			faults.add(path, "has %d bytes, want at most %d of text without control characters", len(value), maxIdentifier)
		}
		if folded != "" {
			all = append(all, identifier{kind, folded})
		}
	}
	faults.id("account", p.Account, true)
	add("account", IdentifierAccount, p.Account, p.Account)
	email, ok := FoldEmail(p.Email)
	if p.Email != "" && !ok {
		faults.add("email", "is not an address, which has an '@' between two parts: leave it out")
	}
	add("email", IdentifierEmail, p.Email, email)
	phone, ok := foldPhone(p.Phone)
	if p.Phone != "" && !ok {
		faults.add("phone", "is not a number with its country, as in +33 1 23 45 67 89: leave it out")
	}
	add("phone", IdentifierPhone, p.Phone, phone)
	for _, several := range []struct {
		path   string
		kind   IdentifierKind
		values []string
	}{{"instruments", IdentifierInstrument, p.Instruments}, {"devices", IdentifierDevice, p.Devices}, {"sellers", IdentifierSeller, p.Sellers}} {
		if len(several.values) > maxIdentifiers {
			faults.add(several.path, "are %d, at most %d are allowed", len(several.values), maxIdentifiers)
			continue
		}
		for i, value := range several.values {
			add(fmt.Sprintf("%s[%d]", several.path, i), several.kind, value, value)
		}
	}
	return unique(all)
}

func unique(all []identifier) []identifier {
	var kept []identifier
	for _, id := range all {
		if !slices.Contains(kept, id) {
			kept = append(kept, id)
		}
	}
	return kept
}

// FoldEmail brings the addresses that lead to one mailbox into one form: ASCII letters
// small, the part after a '+' dropped, and at Gmail the dots too. It says false of
// what has no '@' between two parts.
//
// It tells whether two people are one, and nothing else: never send to what it gives,
// nor look an account up by it. Letters beyond ASCII are only composed (NFC): mapping
// them by their case makes one address of two (dotless ı and i), which has given
// accounts away.
func FoldEmail(address string) (string, bool) {
	address = norm.NFC.String(strings.TrimSpace(address))
	at := strings.LastIndexByte(address, '@')
	if at < 1 || at == len(address)-1 {
		return "", false
	}
	local, domain := lowerASCII(address[:at]), strings.TrimSuffix(lowerASCII(address[at+1:]), ".")
	local, _, _ = strings.Cut(local, "+")
	switch domain {
	case "gmail.com", "googlemail.com":
		local, domain = strings.ReplaceAll(local, ".", ""), "gmail.com"
	}
	if local == "" || domain == "" {
		return "", false
	}
	return local + "@" + domain, true
}

func lowerASCII(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// foldPhone keeps the digits of an international number (E.164).
func foldPhone(number string) (string, bool) {
	rest, plus := strings.CutPrefix(strings.TrimSpace(number), "+")
	if !plus {
		rest, plus = strings.CutPrefix(rest, "00")
	}
	digits := strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			return r
		case strings.ContainsRune(" -./()\u00a0", r):
			return -1
		}
		return 'x'
	}, rest)
	const shortest, longest = 7, 15
	if !plus || len(digits) < shortest || len(digits) > longest || strings.Contains(digits, "x") {
		return "", false
	}
	return "+" + digits, true
}

// network is the part of an address that one household or company has: counting by it
// counts neither one machine nor a whole provider.
func network(address netip.Addr) string {
	if !address.IsValid() {
		return ""
	}
	address = address.Unmap()
	bits := 64
	if address.Is4() {
		bits = 32
	}
	prefix, err := address.WithZone("").Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.String()
}

// personKeys name the documents of people: by HMAC under the first key. Documents made
// under older keys are found, and moved when they are touched or by a sweep, which
// hashes their names again under the newer keys, as it does not know what they hash.
type personKeys []SigningKey

const maxPersonKeys = 4

func (k personKeys) check(faults *Faults) {
	if len(k) == 0 {
		faults.add("options.person_keys", "is empty: people are known by hashes under a key of the shop's")
		return
	}
	if len(k) > maxPersonKeys {
		faults.add("options.person_keys", "are %d, at most %d are allowed: take out those nothing is kept under", len(k), maxPersonKeys)
	}
	_, err := NewSigner(k...)
	if wrong, ok := err.(*Faults); ok {
		for _, f := range wrong.Faults {
			faults.add("options.person_"+f.Path, "%s", f.Problem)
		}
	}
}

// hash is a keyed hash of an identifier or, to move it, of such a hash.
func (k SigningKey) hash(what, value string) string {
	mac := hmac.New(sha256.New, k.Secret)
	fmt.Fprintf(mac, "vouch person\x00%s\x00%s", what, value)
	return hex.EncodeToString(mac.Sum(nil))
}

// hashAgain moves a hash on under the next newer key.
func (k SigningKey) hashAgain(hash string) string { return k.hash("", hash) }

// places are where an identifier's document may be: the one for new documents first,
// then those of older keys, moved on by sweeps since or not.
func (k personKeys) places(id identifier) []storage.Key {
	var all []storage.Key
	for i, key := range k {
		hash := key.hash(string(id.kind), id.value)
		steps := []string{hash}
		for j := i - 1; j >= 0; j-- {
			hash = k[j].hashAgain(hash)
			steps = append(steps, hash)
		}
		slices.Reverse(steps) // the newest first
		for _, hash := range steps {
			all = append(all, personKey(hash))
		}
	}
	return all
}

func personKey(hash string) storage.Key { return storage.Key{Kind: kindPerson, ID: hash} }
