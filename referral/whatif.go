package referral

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

// WhatIf is what a changed program would have given for the same history.
type WhatIf struct {
	Referrals int64
	Recorded  Totals // what was given under the terms of the time
	Qualified int64  // referrals that would have qualified and stayed so
	Changed   Totals // what would have been given

	Rewards []WhatIfReward // the same by side and step, the referrer's first
}

// WhatIfReward is what one side was given at one step, and what it would have been.
type WhatIfReward struct {
	Side     Side
	Step     Step
	Recorded Totals
	Changed  Totals
}

// reward gives the row of a side and step.
func (w *WhatIf) reward(side Side, step Step) *WhatIfReward {
	i, found := slices.BinarySearchFunc(w.Rewards, WhatIfReward{Side: side, Step: step}, func(a, b WhatIfReward) int {
		return cmp.Or(cmp.Compare(b.Side, a.Side), cmp.Compare(b.Step, a.Step))
	})
	if !found {
		w.Rewards = slices.Insert(w.Rewards, i, WhatIfReward{Side: side, Step: step})
	}
	return &w.Rewards[i]
}

// record counts a reward that was made.
func (w *WhatIf) record(b *rewardBody) {
	w.Recorded.reward(b)
	w.reward(b.Side, b.Step).Recorded.reward(b)
}

// WhatIf runs a changed program over the recorded history of the program of its id, in a
// period in which friends were bound (the zero value: ever), and says what it would have
// given and taken back up to an instant. Nothing is written, and the program need not be
// published.
//
// The history is told again, fact by fact when it was told, to a service on a store in
// memory: payments, returns and chargebacks, what was flagged, reviewed and erased, when
// the program was paused, ended or stopped, who is banned, and what customers spent of
// their credit. So the program as it was gives what was given, to the cent. What is due is
// done at its instant; coupons can be issued, stocks have codes enough and hooks grant; what checks found stands as it
// was found; accounts that were merged are one from the beginning, and bans that were ended
// never were.
//
// It sees what referrals remember, which is the payments up to the one that qualified: a
// program that asks for later ones is told too low. Friends who would not have come, or come
// in addition, nobody knows. It holds the referrals of the period in memory.
//
// It fails with a [*Faults] when the program is not valid.
func (s *Service) WhatIf(ctx context.Context, changed Program, period coupon.Interval, now time.Time) (WhatIf, error) {
	if err := changed.Validate(); err != nil {
		return WhatIf{}, err
	}
	faults := &Faults{Kind: ErrRequest}
	checkInterval("period", period, faults)
	checkNow(faults, now)
	if err := faults.orNil(); err != nil {
		return WhatIf{}, err
	}
	head, err := s.head(ctx, changed.ID)
	if err != nil {
		return WhatIf{}, err
	}
	var report WhatIf
	var h history
	err = s.eachReferral(ctx, changed.ID, period, func(bodies []referralBody) error {
		report.Referrals += int64(len(bodies))
		for i := range bodies {
			h.referral(&bodies[i])
		}
		return s.eachReward(ctx, bodies, report.record)
	})
	if err != nil {
		return WhatIf{}, err
	}
	if err := s.tellHistory(ctx, &h, head); err != nil {
		return WhatIf{}, err
	}
	again, err := h.tell(ctx, s.options.Retry, &changed, head.Value.ending(), now)
	if err != nil {
		return WhatIf{}, fmt.Errorf("referral: what if: %w", err)
	}
	return report, report.changed(ctx, again, changed.ID)
}

// changed sums up what the changed program gave.
func (w *WhatIf) changed(ctx context.Context, s *Service, program string) error {
	return s.eachReferral(ctx, program, coupon.Interval{}, func(bodies []referralBody) error {
		for i := range bodies {
			if bodies[i].State == StateConfirmed {
				w.Qualified++
			}
		}
		return s.eachReward(ctx, bodies, func(b *rewardBody) {
			w.Changed.reward(b)
			w.reward(b.Side, b.Step).Changed.reward(b)
		})
	})
}

// history is what happened to a program, to be told again.
type history struct {
	happened  []happening
	customers map[string]bool
}

// happening is one thing that happened, and how it is told. Of one instant, what concerns
// the program comes first, then customers, then friends, in the order of their facts.
type happening struct {
	at    int64
	about string
	again func(ctx context.Context, s *Service, now time.Time) error
}

func (h *history) add(at int64, about string, again func(ctx context.Context, s *Service, now time.Time) error) {
	h.happened = append(h.happened, happening{at, about, again})
}

// What happenings are about, in their order.
const (
	aboutProgram  = "1"
	aboutCustomer = "2/"
	aboutFriend   = "3/"
)

// referral adds that a friend was bound, and what was told of them. What was flagged when
// they were bound is known from the beginning.
func (h *history) referral(b *referralBody) {
	if h.customers == nil {
		h.customers = make(map[string]bool)
	}
	referrer := cmp.Or(b.Earner, b.Referrer)
	h.customers[referrer], h.customers[b.Friend] = true, true
	bound := referralBody{
		Program: b.Program, Version: 1, Referrer: referrer, Friend: b.Friend, State: StateBound, Bound: b.Bound, Horizon: b.Bound - 1, Via: b.Via,
	}
	var later []factBody
	for _, f := range b.Facts {
		if f.Kind == FactFlagged && f.At == b.Bound {
			bound.Facts = append(bound.Facts, f)
		} else {
			later = append(later, f)
		}
	}
	about := aboutFriend + b.Friend
	h.add(b.Bound, about, func(ctx context.Context, s *Service, now time.Time) error { return s.bindAgain(ctx, bound, now) })
	for _, f := range later {
		h.add(max(f.At, f.Told), about, func(ctx context.Context, s *Service, now time.Time) error {
			_, err := do(ctx, s, now, func(ctx context.Context, refused *storage.Failure) (storage.Plan[Settlement], error) {
				read := s.snapshot()
				r, err := one(ctx, read, referrals, referralKey(bound.Program, bound.Friend))
				if err != nil {
					return storage.Plan[Settlement]{}, err
				}
				return s.planFactOf(ctx, read, r, f, Settlement{}, storage.Batch{}, refused, now)
			})
			return err
		})
	}
}

// bindAgain binds a friend as it was bound, and gives what registration earns.
func (s *Service) bindAgain(ctx context.Context, b referralBody, now time.Time) error {
	_, err := do(ctx, s, now, func(ctx context.Context, refused *storage.Failure) (storage.Plan[struct{}], error) {
		var plan storage.Plan[struct{}]
		terms, err := s.program(ctx, programVersion{b.Program, b.Version})
		if err != nil {
			return plan, err
		}
		head, err := s.head(ctx, b.Program)
		if err != nil {
			return plan, err
		}
		w := s.newWork(s.snapshot(), storage.Record[referralBody]{Key: referralKey(b.Program, b.Friend), Value: b}, terms, head, now)
		w.refused = refused
		w.decide("bound", "as it was", "")
		if err := w.promise(ctx, Registered, now, now); err != nil {
			return plan, err
		}
		if err := w.advance(ctx); err != nil {
			return plan, err
		}
		plan.Batch, err = w.batch(ctx)
		return plan, err
	})
	return err
}

// tellHistory adds what happened to the program and to its customers.
func (s *Service) tellHistory(ctx context.Context, h *history, head storage.Record[headBody]) error {
	if err := s.tellHead(ctx, h, head); err != nil {
		return err
	}
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(h.customers)), storage.MaxGet) {
		if err := s.tellBans(ctx, h, chunk); err != nil {
			return err
		}
		for _, customer := range chunk {
			if err := s.tellCredit(ctx, h, head.Key.ID, customer); err != nil {
				return err
			}
		}
	}
	return nil
}

// tellHead adds when the program was paused, resumed and stopped, by the book.
func (s *Service) tellHead(ctx context.Context, h *history, head storage.Record[headBody]) error {
	program := head.Key.ID
	book := ledger.New(s.store, ledger.Options{})
	for version := range head.Version {
		for kind, again := range map[string]func(*Service, context.Context, string, string, string, time.Time) error{
			"paused": (*Service).Pause, "resumed": (*Service).Resume, "killed": (*Service).Kill,
		} {
			entry, there, err := book.Entry(ctx, headEntry(program, kind, version))
			if err != nil {
				return err
			}
			if there {
				h.add(micros(entry.At), aboutProgram, func(ctx context.Context, s *Service, now time.Time) error {
					return again(s, ctx, program, entry.Actor, entry.Details["reason"], now)
				})
			}
		}
	}
	return nil
}

// tellBans adds since when customers are banned.
func (s *Service) tellBans(ctx context.Context, h *history, customers []string) error {
	keys := make([]storage.Key, len(customers))
	for i, customer := range customers {
		keys[i] = memberKey(customer)
	}
	docs, err := s.get(ctx, keys...)
	if err != nil {
		return err
	}
	book := ledger.New(s.store, ledger.Options{})
	for i, customer := range customers {
		member, err := record(members, docs, keys[i])
		if err != nil {
			return err
		}
		for version := member.Version; member.Value.Banned && version > 0; version-- {
			entry, there, err := book.Entry(ctx, banEntry(customer, version, true))
			if err != nil {
				return err
			}
			if there {
				h.add(micros(entry.At), aboutCustomer+customer, func(ctx context.Context, s *Service, now time.Time) error {
					return s.Ban(ctx, customer, entry.Actor, entry.Details["reason"], now)
				})
				break
			}
		}
	}
	return nil
}

// tellCredit adds what a customer spent of their credit, and what others gave them.
func (s *Service) tellCredit(ctx context.Context, h *history, program, customer string) error {
	book := ledger.New(s.store, ledger.Options{Floors: coupon.Floors()})
	query := ledger.StatementQuery{Limit: storage.MaxPage}
	for n := 0; ; {
		page, err := book.Statement(ctx, coupon.CreditAccount(customer), query)
		if err != nil {
			return err
		}
		for _, line := range page.Lines {
			id := line.Entry.ID
			own := strings.HasPrefix(id, "credit/granted/"+rewardIssues) || strings.HasPrefix(id, "credit/taken/"+rewardIssues)
			if own && line.Entry.Concerns == program {
				continue // it is given again, or not
			}
			n++
			request := coupon.CreditRequest{ID: fmt.Sprintf("%d of %s", n, customer), Customer: customer, Amount: line.Amount}
			h.add(micros(line.Entry.At), aboutCustomer+customer, func(ctx context.Context, s *Service, now time.Time) error {
				change := s.coupons.GrantCredit
				if minor := request.Amount.Minor(); minor < 0 {
					change, request.Amount = s.coupons.TakeCredit, ledger.Minor(-minor, request.Amount.Currency())
				}
				_, err := change(ctx, request, now)
				return err
			})
		}
		if query.After = page.Next; query.After == "" {
			return nil
		}
	}
}

// always is a hook that grants.
type always struct{}

func (always) Grant(context.Context, HookRequest) error            { return nil }
func (always) TakeBack(context.Context, HookRequest) (bool, error) { return false, nil }

// tell tells the history to a service on a store of its own, in which the changed program
// is the only one, up to an instant.
func (h *history) tell(ctx context.Context, retry time.Duration, changed *Program, ending ending, now time.Time) (*Service, error) {
	slices.SortStableFunc(h.happened, func(a, b happening) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.about, b.about)) })
	first := now
	if len(h.happened) > 0 && instant(h.happened[0].at).Before(now) {
		first = instant(h.happened[0].at)
	}
	s, err := scratch(ctx, retry, changed, ending, first)
	if err != nil {
		return nil, err
	}
	for _, happened := range h.happened {
		at := instant(happened.at)
		if at.After(now) {
			break
		}
		if err := s.settleBefore(ctx, at); err != nil {
			return nil, err
		}
		if err := happened.again(ctx, s, at); err != nil {
			return nil, err
		}
	}
	return s, s.settleBefore(ctx, now.Add(time.Microsecond))
}

// scratch makes a service in memory with a program, and with offers of the names that it
// gives coupons of. Checks are left out: what they found is told.
func scratch(ctx context.Context, retry time.Duration, changed *Program, ending ending, at time.Time) (*Service, error) {
	terms, err := changed.copied()
	if err != nil {
		return nil, err
	}
	terms.Checks, terms.Thresholds = nil, nil
	options := Options{Retry: retry, Hooks: make(map[string]Hook)}
	store := memory.New()
	coupons := coupon.New(store, coupon.Options{})
	for _, e := range terms.earnings() {
		if e.Custom != nil {
			options.Hooks[e.Custom.Kind] = always{}
		}
		for i := range e.Coupons {
			o := &e.Coupons[i]
			o.Version, o.FromStock = 0, false
			if _, err := coupons.Offer(ctx, o.Offer, 0, at); !errors.Is(err, coupon.ErrNoOffer) {
				continue
			}
			stands := coupon.Offer{ID: o.Offer, Name: o.Offer, Benefit: coupon.AmountOff{Amounts: coupon.Amounts{ledger.Minor(1, ledger.MustCurrency("EUR"))}}}
			if _, err := coupons.Publish(ctx, stands, "what if", at); err != nil {
				return nil, err
			}
		}
	}
	s := New(store, coupons, options)
	if _, err := s.Publish(ctx, terms, "what if", at); err != nil {
		return nil, err
	}
	if ending.at.IsZero() {
		return s, nil
	}
	return s, s.End(ctx, terms.ID, ending.at, ending.tail, "what if", "what if", at)
}

// settleBefore does what is due before an instant, each at its own.
func (s *Service) settleBefore(ctx context.Context, before time.Time) error {
	for {
		due, err := s.NextDeadline(ctx)
		if err != nil || due.IsZero() || !due.Before(before) {
			return err
		}
		report, err := s.Settle(ctx, due, 0)
		switch {
		case err != nil:
			return err
		case len(report.Faults) > 0:
			return fmt.Errorf("%s: %s", report.Faults[0].Key, report.Faults[0].Message)
		}
	}
}
