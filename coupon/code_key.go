package coupon

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"github.com/vouch-go/vouch/storage"
)

// codeKeys are the keys under which codes are kept, the one for new codes first. An
// empty key stands for codes kept as they are.
//
// With a key a made code is not random but follows from the key and its coupon's
// id: so it can be told again to whoever asks for the same issue again, or for the
// codes of a batch, though no document has it.
type codeKeys struct {
	keys   [][]byte
	random io.Reader // of codes made without a key
}

const (
	minCodeKey   = 16 // bytes
	codeShown    = 4  // characters of a code that its coupon keeps, where there is a key
	maxOldKeys   = 4
	codeAttempts = 4 // codes tried for a coupon when those before are taken
)

func newCodeKeys(o *Options) codeKeys {
	c := codeKeys{keys: [][]byte{slices.Clone(o.CodeKey)}, random: o.Random}
	for _, old := range o.OldCodeKeys {
		c.keys = append(c.keys, slices.Clone(old))
	}
	return c
}

// unrepeated says that a made code was never made before: it is new randomness of the
// system's, and kept under no other key.
func (c *codeKeys) unrepeated() bool {
	return len(c.keys) == 1 && !c.keyed() && c.random == rand.Reader
}

func (c *codeKeys) keyed() bool { return len(c.keys[0]) > 0 }

func (c *codeKeys) check(faults *Faults) {
	if n := len(c.keys[0]); n > 0 && n < minCodeKey {
		faults.add("options.code_key", "has %d bytes, want at least %d, better 32, at random", n, minCodeKey)
	}
	if n := len(c.keys) - 1; n > maxOldKeys {
		faults.add("options.old_code_keys", "has %d keys, at most %d are allowed", n, maxOldKeys)
	}
}

// key is the document of a code.
func (c *codeKeys) key(code Code) storage.Key { return keptUnder(c.keys[0], code) }

// places are the documents that a code may have, the one for new codes first.
func (c *codeKeys) places(code Code) []storage.Key {
	places := make([]storage.Key, len(c.keys))
	for i, key := range c.keys {
		places[i] = keptUnder(key, code)
	}
	return places
}

// keptUnder names a code's document: by the code, or by its HMAC, which is longer
// than any code.
func keptUnder(key []byte, code Code) storage.Key {
	if len(key) == 0 {
		return storage.Key{Kind: kindCode, ID: string(code)}
	}
	return storage.Key{Kind: kindCode, ID: hex.EncodeToString(mac(key, string(code)))}
}

// shown is what a coupon keeps of its code.
func (c *codeKeys) shown(code Code) Code {
	if !c.keyed() {
		return code
	}
	return code[max(0, len(code)-codeShown):]
}

// seal is a code as its document keeps it where codes are kept under a key: it can't be
// made again from what there is, as made codes can. The key for it follows from the key
// for codes, the nonce from the code, so that two codes never have one; nil without a key.
func (c *codeKeys) seal(code Code) []byte {
	if !c.keyed() {
		return nil
	}
	nonce := mac(c.keys[0], "\x00nonce "+string(code))[:sealNonce]
	return sealer(c.keys[0]).Seal(nonce, nonce, []byte(code), nil)
}

const sealNonce = 12

func sealer(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(mac(key, "\x00seal"))
	if err == nil {
		var sealer cipher.AEAD
		if sealer, err = cipher.NewGCM(block); err == nil {
			return sealer
		}
	}
	panic(err) // not with 32 bytes of a key
}

func mac(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, text)
	return mac.Sum(nil)
}

// open is the code that a document of a stock keeps.
func (c *codeKeys) open(record storage.Record[codeBody]) (Code, error) {
	for _, key := range c.keys {
		text := []byte(record.Key.ID)
		if sealed := record.Value.Sealed; len(sealed) > sealNonce {
			if len(key) == 0 { // or what it is kept under would be taken for the code
				continue
			}
			var err error
			if text, err = sealer(key).Open(nil, sealed[:sealNonce], sealed[sealNonce:], nil); err != nil {
				continue
			}
		}
		if code := Code(text); keptUnder(key, code) == record.Key {
			return code, nil
		}
	}
	return "", fmt.Errorf("coupon: a code of load %q was kept under a key that is not here: put it among Options.OldCodeKeys", record.Value.Load)
}

// make makes the codes of coupons; an attempt above 0 makes others, because one of
// those before is taken.
func (c *codeKeys) make(ids []string, attempt int) ([]Code, error) {
	if !c.keyed() {
		made, err := NewCodes(c.random, len(ids))
		if sorted := slices.Sorted(slices.Values(made)); err == nil && len(slices.Compact(sorted)) < len(made) {
			err = fmt.Errorf("coupon: the source of randomness repeats itself: set Options.Random to nothing")
		}
		return made, err
	}
	made := make([]Code, len(ids))
	for i, id := range ids {
		made[i] = derive(c.keys[0], id, attempt)
	}
	return made, nil
}

// derive is the code that follows from a key and a coupon's id. No code begins with
// a NUL, so that it is never what a code is kept under.
func derive(key []byte, id string, attempt int) Code {
	return Code(appendCode(nil, mac(key, fmt.Sprintf("\x00made %d %s", attempt, id))[:codeRandom]))
}

// derivedCode is a code that a coupon may have been given, and its document.
type derivedCode struct {
	code  Code
	place storage.Key
}

// derived are all codes that a coupon may have been given.
func (c *codeKeys) derived(id string) []derivedCode {
	var all []derivedCode
	for _, key := range c.keys {
		for attempt := 0; len(key) > 0 && attempt < codeAttempts; attempt++ {
			code := derive(key, id, attempt)
			all = append(all, derivedCode{code, keptUnder(key, code)})
		}
	}
	return all
}

// tell finds the codes of coupons again: of those that each may have been given, the
// one whose document leads to it. A coupon whose code is not found, or was kept under a
// key that is not here any more, keeps what it shows.
func (c *codeKeys) tell(all []Coupon, read func(keys []storage.Key) (map[storage.Key]*storage.Doc, error)) error {
	var keys []storage.Key
	candidates := make([][]derivedCode, len(all))
	for i := range all {
		if len(all[i].Code) > codeShown {
			continue // kept as it is
		}
		if all[i].stocked != "" {
			keys = append(keys, storage.Key{Kind: kindCode, ID: all[i].stocked})
			continue
		}
		candidates[i] = c.derived(all[i].ID)
		for _, d := range candidates[i] {
			keys = append(keys, d.place)
		}
	}
	docs, err := read(unique(keys))
	if err != nil {
		return err
	}
	for i := range all {
		if doc := docs[storage.Key{Kind: kindCode, ID: all[i].stocked}]; doc != nil {
			record, err := codes.Decode(*doc)
			if err != nil {
				return err
			}
			if code, err := c.open(record); err == nil {
				all[i].Code = code
			}
		}
		for _, d := range candidates[i] {
			if docs[d.place] == nil {
				continue
			}
			record, err := codes.Decode(*docs[d.place])
			if err != nil {
				return err
			}
			if record.Value.Coupon == all[i].ID {
				all[i].Code = d.code
			}
		}
	}
	return nil
}
