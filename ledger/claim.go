package ledger

import (
	"math"
	"time"

	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/jsonbody"
)

// Claim is what a document holds of a limited counter: one use of an offer, 5.00
// of a budget.
//
// A document that holds claims, of whatever kind, has them in the member
// "claims" at the top level of its body, each with the N it holds now: N becomes
// 0 when the claim is given back, and the counter stays named. That is what
// allows [Audit] to compare every counter with the sum of its claims.
type Claim struct {
	Counter string `json:"counter"`
	N       int64  `json:"n"`               // what is held now: uses, or minor units of money
	Max     int64  `json:"max,omitempty"`   // the counter's limit when the claim was taken
	Until   int64  `json:"until,omitempty"` // unix microseconds after which the counter may be discarded; 0 never

	// Shards, if 2 or more, is over how many counters this claim is to be spread
	// before it is taken: see [Claim.Spread]. What a document holds is spread already.
	Shards int `json:"shards,omitempty"`
}

// WriteClaims writes claims as encoding/json would, only faster.
func WriteClaims(w *jsonbody.Writer, name string, claims []Claim) {
	jsonbody.WriteObjects(w, name, claims, func(w *jsonbody.Writer, c *Claim) {
		w.String("counter", c.Counter)
		w.Int("n", c.N)
		w.IntUnlessZero("max", c.Max)
		w.IntUnlessZero("until", c.Until)
		w.IntUnlessZero("shards", int64(c.Shards))
	})
}

// ReadClaims reads claims that WriteClaims has written; it is false for what is written
// otherwise, which encoding/json may be able to read.
func ReadClaims(text []byte, into *[]Claim) bool {
	return jsonbody.Slice(text, into, func(text []byte, c *Claim) bool {
		return jsonbody.Members(text, func(name, value []byte) bool {
			switch string(name) {
			case "counter":
				return jsonbody.String(value, &c.Counter)
			case "n":
				return jsonbody.Int(value, &c.N)
			case "max":
				return jsonbody.Int(value, &c.Max)
			case "until":
				return jsonbody.Int(value, &c.Until)
			case "shards":
				return jsonbody.Int(value, &c.Shards)
			}
			return false
		})
	})
}

// Take adds the claim to its counter. It is refused with [storage.ErrLimit] when
// the counter would exceed Max; a Max of 0 lets nothing be taken.
func (c Claim) Take() storage.Add {
	return storage.Add{Counter: c.Counter, Delta: c.N, Min: 0, Max: c.Max, Until: c.Until}
}

// Give takes the claim off its counter again. It is refused with
// [storage.ErrLimit] when the counter would fall below 0: more would be given
// back than was ever taken.
//
// Ask Open first: a claim whose time is over stays in its document as it is.
func (c Claim) Give() storage.Add {
	return storage.Add{Counter: c.Counter, Delta: -c.N, Min: 0, Max: math.MaxInt64, Until: c.Until}
}

// Open says whether the counter still counts at the instant. When it does not,
// the store may have discarded it, and there is nothing to give the claim back
// to: nobody can take from that counter any more either.
func (c Claim) Open(now time.Time) bool {
	return c.Until == 0 || now.UnixMicro() < c.Until
}
