package referral

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/storage"
)

// VanityCode is a code that a customer chose for their link, as in "JANE". It is
// public: it is short, says something and can be guessed, so nothing may rest on its
// being secret. It is another type than [coupon.Code], so that no coupon gets one by
// mistake. It comes from [ParseVanityCode].
type VanityCode string

// ParseVanityCode brings a code that a customer chose into its normal form, as
// [coupon.ChooseCode] does, and fails as that does: 3 to 32 ASCII letters and digits,
// and not of the length of made codes.
func ParseVanityCode(chosen string) (VanityCode, error) {
	code, err := coupon.ChooseCode(chosen)
	return VanityCode(code), err
}

// lookAlikes are the characters that people take for each other in codes.
var lookAlikes = strings.NewReplacer(
	"VV", "W", "RN", "M", "CL", "D",
	"O", "0", "Q", "0", "I", "1", "L", "1", "Z", "2", "S", "5", "G", "6", "B", "8", "U", "V",
)

// looks is what a code looks like: the same for two that are taken for each other.
func (c VanityCode) looks() string { return lookAlikes.Replace(string(c)) }

// vanityBody keeps what a code looks like for the one that came first.
type vanityBody struct {
	Code VanityCode `json:"code"`
}

// chosenBody are the codes that a customer has chosen in a program.
type chosenBody struct {
	Codes []VanityCode `json:"codes"`
}

var (
	vanities = storage.NewCodec[vanityBody](1)
	chosens  = storage.NewCodec[chosenBody](1)
)

func vanityKey(c VanityCode) storage.Key { return storage.Key{Kind: "vanity", ID: c.looks()} }

func chosenKey(program, customer string) storage.Key {
	return storage.Key{Kind: "chosen_codes", ID: program + "/" + customer} // no program has a '/'
}

// defaultVanityCodes is how many codes a customer may choose in a program.
const defaultVanityCodes = 3

// reserved says that a code is, or looks like, a word the shop keeps for itself.
func (o *Options) reserved(code VanityCode) bool {
	return slices.ContainsFunc(o.ReservedCodes, func(word string) bool {
		kept, err := ParseVanityCode(word)
		return err == nil && kept.looks() == code.looks()
	})
}

// ChooseCode gives a customer's link in a program a code of their choice, beside the
// one it has; both lead to the customer from then on. A code is never given to
// another customer, nor one that looks like it, such as J0HN for JOHN. Asked again it
// changes nothing.
//
// It fails with [ErrCodeTaken], [ErrCodeReserved], [ErrCodeLimit], [coupon.ErrCode],
// [ErrNoProgram], [ErrPaused] and a [*Faults].
func (s *Service) ChooseCode(ctx context.Context, program, customer, chosen string, now time.Time) (Link, error) {
	code, err := ParseVanityCode(chosen)
	if err != nil {
		return Link{}, err
	}
	if _, err := s.Link(ctx, program, customer, now); err != nil { // it may have none yet
		return Link{}, err
	}
	if s.options.reserved(code) {
		return Link{}, fmt.Errorf("%w: %s", ErrCodeReserved, code)
	}
	return do(ctx, s, now, func(ctx context.Context, _ *storage.Failure) (storage.Plan[Link], error) {
		return s.planChooseCode(ctx, program, customer, code, now)
	})
}

func (s *Service) planChooseCode(ctx context.Context, program, customer string, code VanityCode, now time.Time) (storage.Plan[Link], error) {
	var none storage.Plan[Link]
	answer := Link{program, customer, coupon.Code(code)}
	docs, err := s.get(ctx, headKey(program), chosenKey(program, customer), linkKey(answer.Code), vanityKey(code))
	if err != nil {
		return none, err
	}
	mine, err := record(chosens, docs, chosenKey(program, customer))
	if err != nil {
		return none, err
	}
	if slices.Contains(mine.Value.Codes, code) {
		return storage.Plan[Link]{Answer: answer}, nil
	}
	head, err := record(heads, docs, headKey(program))
	_, taken := docs[linkKey(answer.Code)]
	_, alike := docs[vanityKey(code)]
	switch {
	case err != nil:
		return none, err
	case head.Value.Paused:
		return none, fmt.Errorf("%w: %q", ErrPaused, program)
	case taken || alike:
		return none, fmt.Errorf("%w: %s", ErrCodeTaken, code)
	case len(mine.Value.Codes) >= s.options.VanityCodes:
		return none, fmt.Errorf("%w: %d in program %q", ErrCodeLimit, len(mine.Value.Codes), program)
	}
	mine.Value.Codes = append(slices.Clone(mine.Value.Codes), code)
	chosen, err := chosens.Put(mine, 0)
	if err != nil {
		return none, err
	}
	link, err := links.Put(storage.Record[linkBody]{Key: linkKey(answer.Code), Value: linkBody{program, customer, micros(now)}}, 0)
	if err != nil {
		return none, err
	}
	looks, err := vanities.Put(storage.Record[vanityBody]{Key: vanityKey(code), Value: vanityBody{code}}, 0)
	return storage.Plan[Link]{
		Batch: storage.Batch{
			Puts: []storage.Put{chosen, link, looks}, Checks: []storage.Check{{Key: head.Key, Version: head.Version}},
		},
		Answer: answer,
	}, err
}
