package referral

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vouch-go/vouch/coupon/strict"
)

// Errors of input, before anything is read. They come as [*Faults].
var (
	ErrProgram = errors.New("referral: the program is not valid")
	ErrRequest = errors.New("referral: the request is not valid")
)

// Errors of things that are not there.
var (
	ErrNoProgram  = errors.New("referral: no such program, or not in that version")
	ErrNoReferral = errors.New("referral: no such referral")
	ErrNoLink     = errors.New("referral: no link has this code")
	ErrNoCase     = errors.New("referral: no such case")
	ErrNoPerson   = errors.New("referral: nobody is known by this account")
)

// Errors of links that come back from a browser.
var (
	ErrToken        = errors.New("referral: this is no token of this shop for this purpose")
	ErrTokenExpired = errors.New("referral: the token has expired")
	ErrRedirect     = errors.New("referral: this is no path of this site")
)

// Errors of reviews.
var (
	ErrCaseClaimed = errors.New("referral: somebody else looks at the case")
	ErrCaseClosed  = errors.New("referral: the case is closed")
)

// ErrInvitationLimit: the customer has had as many invitations sent as the program
// allows. Nothing is sent.
var ErrInvitationLimit = errors.New("referral: the limit of invitations is reached")

// Errors of codes that a customer chooses.
var (
	ErrCodeTaken    = errors.New("referral: the code is taken, or looks like one that is: choose another")
	ErrCodeReserved = errors.New("referral: the code is, or looks like, a word that the shop keeps for itself: choose another")
	ErrCodeLimit    = errors.New("referral: the customer has chosen as many codes as they may")
)

// ErrOutOfStock: a [Hook] has nothing left to give; the reward waits.
var ErrOutOfStock = errors.New("referral: nothing is left to give")

// ErrPaused: the program is paused, and nobody can get a link or be bound.
var ErrPaused = errors.New("referral: the program is paused")

// Fault is one thing that is wrong with an input: where, and what to do.
type Fault struct {
	Path    string // as in "rewards[1].side"
	Problem string
}

// Faults is everything that is wrong with an input. It matches [ErrProgram] or
// [ErrRequest].
type Faults struct {
	Kind   error
	Faults []Fault
}

// maxFaults keeps a message readable and its making bounded.
const maxFaults = 50

func (f *Faults) add(path, problem string, args ...any) {
	switch {
	case len(f.Faults) < maxFaults:
		f.Faults = append(f.Faults, Fault{path, fmt.Sprintf(problem, args...)})
	case len(f.Faults) == maxFaults:
		f.Faults = append(f.Faults, Fault{"", "and more faults"})
	}
}

// Error lists the faults, one after the other.
func (f *Faults) Error() string {
	lines := make([]string, len(f.Faults))
	for i, fault := range f.Faults {
		lines[i] = strings.TrimPrefix(fault.Path+": "+fault.Problem, ": ")
	}
	return f.Kind.Error() + ": " + strings.Join(lines, "; ")
}

// Unwrap gives the sentinel of the kind.
func (f *Faults) Unwrap() error { return f.Kind }

func (f *Faults) orNil() error {
	if len(f.Faults) == 0 {
		return nil
	}
	return f
}

// most checks how many there are of something.
func (f *Faults) most(path string, n, most int) {
	if n > most {
		f.add(path, "are %d, at most %d are allowed", n, most)
	}
}

// id checks a key that the shop gives.
func (f *Faults) id(path, id string, mayBeEmpty bool) {
	switch {
	case id == "" && !mayBeEmpty:
		f.add(path, "is missing")
	case len(id) > MaxKey:
		f.add(path, "has %d bytes, at most %d are allowed", len(id), MaxKey)
	case !strict.Readable(id):
		f.add(path, "%s", strict.Unreadable(id))
	}
}
