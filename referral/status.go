package referral

import (
	"context"
	"time"
)

// ProgramStatus says whether a program runs. Its versions never change; this does.
type ProgramStatus struct {
	Version int           // the latest
	Paused  bool          // until it is resumed: nobody is bound, and nothing is granted
	Killed  bool          // for good: nobody is bound, and what was promised is canceled
	Ends    time.Time     // from when nobody is bound; zero: it was not ended
	Tail    time.Duration // how long after it friends bound before can qualify, where their terms say no time

	// Who changed it last, why and when: by publishing, pausing, resuming, ending or
	// killing it.
	Actor  string
	Reason string
	At     time.Time
}

// Status gives a program's status as it is in the store. It fails with [ErrNoProgram].
func (s *Service) Status(ctx context.Context, program string) (ProgramStatus, error) {
	head, err := s.head(ctx, program)
	if err != nil {
		return ProgramStatus{}, err
	}
	h := &head.Value
	ending := h.ending()
	return ProgramStatus{h.Latest, h.Paused, h.Killed, ending.at, ending.tail, h.Actor, h.Reason, instant(h.At)}, nil
}
