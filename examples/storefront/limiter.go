package main

import (
	"context"
	"sync"
	"time"

	"github.com/vouch-go/vouch/coupon"
)

// limiter slows down whoever guesses codes or passwords. It counts failures in memory,
// for one process; a shop of several keeps the counts where its sessions are.
type limiter struct {
	ofVisit, ofAddress int // failures allowed within triesReset

	mu    sync.Mutex
	tries map[string]tries
}

type tries struct {
	n     int
	until time.Time // when the count begins anew
}

// What may fail within triesReset.
const (
	mostOfVisit   = 10
	mostOfAddress = 50 // of all visits from one address: making new visits helps nobody
	triesReset    = 10 * time.Minute
)

func newLimiter() *limiter {
	return &limiter{ofVisit: mostOfVisit, ofAddress: mostOfAddress, tries: make(map[string]tries)}
}

// guesser is who tries: a visit, from an address.
type guesser struct{ visit, address string }

type guesserKey struct{}

// trying says in the context who it is that tries codes.
func trying(ctx context.Context, g guesser) context.Context {
	return context.WithValue(ctx, guesserKey{}, g)
}

// Allow is asked before codes are looked up.
func (l *limiter) Allow(ctx context.Context, _ coupon.Attempt) (time.Duration, error) {
	return l.wait(ctx, time.Now()), nil
}

// Failed counts codes that came to nothing.
func (l *limiter) Failed(ctx context.Context, a coupon.Attempt) error {
	l.failed(ctx, a.Codes, time.Now())
	return nil
}

// wait says how long whoever asks has to wait; 0: not at all.
func (l *limiter) wait(ctx context.Context, now time.Time) time.Duration {
	g, _ := ctx.Value(guesserKey{}).(guesser)
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.left(g.visit, l.ofVisit, now), l.left(g.address, l.ofAddress, now))
}

func (l *limiter) left(who string, most int, now time.Time) time.Duration {
	t := l.tries[who]
	if t.n < most || !now.Before(t.until) {
		return 0
	}
	return t.until.Sub(now)
}

func (l *limiter) failed(ctx context.Context, n int, now time.Time) {
	g, _ := ctx.Value(guesserKey{}).(guesser)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, who := range []string{g.visit, g.address} {
		t := l.tries[who]
		if !now.Before(t.until) {
			t = tries{until: now.Add(triesReset)}
		}
		t.n += n
		l.tries[who] = t
	}
	if len(l.tries) > 100_000 { // forget those whose time is over
		for who, t := range l.tries {
			if !now.Before(t.until) {
				delete(l.tries, who)
			}
		}
	}
}
