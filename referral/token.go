package referral

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SigningKey is a secret with the id by which tokens name it.
type SigningKey struct {
	ID     string // [a-z0-9]{1,16}; never given to another secret
	Secret []byte // 32 random bytes or more
}

// Purpose is what a token is for. One made for one purpose is none for another.
type Purpose string

// The purposes of tokens.
const (
	PurposeLink    Purpose = "link"    // a personal link that ends: its payload is the code
	PurposeRefusal Purpose = "refusal" // refusing invitations with one click
)

// Signer makes tokens and reads them. A token is made of a version, the id of a key,
// a payload, its expiry and a MAC over all of them and the purpose:
//
//	v1.<key id>.<payload>.<expiry, unix seconds>.<MAC>
//
// The payload is signed and not hidden. There is no field for an algorithm: version 1
// is HMAC-SHA256, cut to 128 bits as RFC 2104 allows, so nobody can ask for none or
// for another. A token fits into a URL as it is.
type Signer struct {
	keys []SigningKey
}

const (
	tokenVersion = "v1"
	tokenMAC     = 16 // bytes
	maxToken     = 512
	maxPayload   = 256
	minSecret    = 32
)

var (
	keyID     = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
	tokenText = base64.RawURLEncoding.Strict()
)

// NewSigner makes a signer that signs with the first key and accepts tokens of all of
// them. To rotate, put a new key first, and take the old one out once its last token
// has expired. It fails with a [*Faults].
func NewSigner(keys ...SigningKey) (*Signer, error) {
	faults := &Faults{Kind: ErrRequest}
	if len(keys) == 0 {
		faults.add("keys", "is empty, want one to sign with")
	}
	s := &Signer{}
	for i, key := range keys {
		path := fmt.Sprintf("keys[%d]", i)
		if !keyID.MatchString(key.ID) {
			faults.add(path+".id", "is %.40q, want %s", key.ID, keyID)
		}
		if s.key(key.ID) != nil {
			faults.add(path+".id", "is %q, as another key's", key.ID)
		}
		if len(key.Secret) < minSecret {
			faults.add(path+".secret", "has %d bytes, want at least %d at random", len(key.Secret), minSecret)
		}
		s.keys = append(s.keys, SigningKey{key.ID, slices.Clone(key.Secret)})
	}
	if err := faults.orNil(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Signer) key(id string) *SigningKey {
	for i := range s.keys {
		if s.keys[i].ID == id {
			return &s.keys[i]
		}
	}
	return nil
}

// Sign makes a token for a purpose that is good until an instant, in whole seconds,
// that one not included. The payload has at most 256 bytes. It fails with a [*Faults].
func (s *Signer) Sign(purpose Purpose, payload string, until time.Time) (string, error) {
	faults := &Faults{Kind: ErrRequest}
	if len(payload) > maxPayload {
		faults.add("payload", "has %d bytes, at most %d are allowed", len(payload), maxPayload)
	}
	if !validInstant(until) {
		faults.add("until", "is %s, want an instant between 1970 and 9999", until)
	}
	if err := faults.orNil(); err != nil {
		return "", err
	}
	key := &s.keys[0]
	signed := strings.Join([]string{tokenVersion, key.ID, tokenText.EncodeToString([]byte(payload)), strconv.FormatInt(until.Unix(), 10)}, ".")
	return signed + "." + key.mac(purpose, signed), nil
}

func (k *SigningKey) mac(purpose Purpose, signed string) string {
	mac := hmac.New(sha256.New, k.Secret)
	fmt.Fprintf(mac, "vouch token\x00%s\x00%s", purpose, signed)
	return tokenText.EncodeToString(mac.Sum(nil)[:tokenMAC])
}

// Read gives the payload of a token that was made for the purpose and is good at the
// instant. It fails with [ErrToken] for anything that this signer did not make, down
// to the last bit, and with [ErrTokenExpired] for what it did make and is over.
func (s *Signer) Read(purpose Purpose, token string, now time.Time) (string, error) {
	parts := strings.Split(token, ".")
	if len(token) > maxToken || len(parts) != 5 || parts[0] != tokenVersion {
		return "", ErrToken
	}
	key := s.key(parts[1])
	if key == nil {
		return "", ErrToken
	}
	signed := token[:len(token)-len(parts[4])-1]
	if !hmac.Equal([]byte(parts[4]), []byte(key.mac(purpose, signed))) { // in constant time, and as texts: decoding skips line ends
		return "", ErrToken
	}
	payload, err := tokenText.DecodeString(parts[2])
	until, errUntil := strconv.ParseInt(parts[3], 10, 64)
	switch {
	case err != nil || errUntil != nil:
		return "", ErrToken
	case now.Unix() >= until:
		return "", fmt.Errorf("%w: at %s", ErrTokenExpired, since(time.Unix(until, 0)))
	}
	return string(payload), nil
}
