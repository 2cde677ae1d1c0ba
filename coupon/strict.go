package coupon

import (
	"errors"

	"github.com/vouch-go/vouch/coupon/strict"
)

// reading reads a document of this package strictly, and lists its faults.
type reading struct {
	*Faults
	*strict.Reader
}

// readStrictly reads a document of at most limit bytes into the struct that pointer
// points to. What can't be read stays zero there.
func readStrictly(data []byte, limit int, kind error, pointer any) *reading {
	faults := &Faults{Kind: kind}
	return &reading{faults, strict.Read(data, limit, faultSink{faults}, ErrOffer.Error()+": ", pointer)}
}

// faultSink has a reader add to faults.
type faultSink struct{ *Faults }

func (s faultSink) Add(path, problem string, args ...any) { s.add(path, problem, args...) }
func (s faultSink) Full() bool                            { return len(s.Faults.Faults) > maxFaults }

// lacking adds what is missing of what a document must say, where no other fault says it:
// a limit that names nobody would count for all.
func (r *reading) lacking() {
	var paths []string
	for _, fault := range r.Faults.Faults {
		paths = append(paths, fault.Path)
	}
	for _, path := range r.Lacks(paths) {
		r.add(path, "is missing")
	}
}

// merge adds faults that were found in what was read, under a path, but for those
// that follow from what could not be read.
func (r *reading) merge(path string, err error) {
	var found *Faults
	if !errors.As(err, &found) {
		if err != nil {
			r.add(path, "%s", err)
		}
		return
	}
	for _, fault := range found.Faults {
		if at := strict.Member(path, fault.Path); !r.Follows(at) {
			r.add(at, "%s", fault.Problem)
		}
	}
}
