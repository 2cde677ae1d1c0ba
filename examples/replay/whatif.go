package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/vouch-go/vouch/coupon"
	"github.com/vouch-go/vouch/referral"
)

// readWhatIf reads the program to try; nil where no file is named.
func readWhatIf(file string, sets []set) (*referral.Program, error) {
	if file == "" {
		return nil, nil
	}
	if !slices.ContainsFunc(sets, func(s set) bool { return s.name == "ukretail" }) {
		return nil, errors.New("replay: -whatif is for the set ukretail, which has a referral program: choose it, or all, with -set")
	}
	document, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("replay: -whatif: %w", err)
	}
	changed, err := referral.ParseProgram(document)
	if err != nil {
		return nil, fmt.Errorf("replay: -whatif: %s: %w", file, err)
	}
	if changed.ID != program {
		return nil, fmt.Errorf("replay: -whatif: %s: the program's id is %q, want %q, whose history it is tried on", file, changed.ID, program)
	}
	return &changed, nil
}

// tellWhatIf tells what was given beside what a changed program would have given.
func (g *giftShop) tellWhatIf(ctx context.Context, r *report, changed referral.Program) error {
	was, err := g.referrals.Analyze(ctx, program, referral.AnalysisQuery{})
	if err != nil {
		return err
	}
	would, err := g.referrals.WhatIf(ctx, changed, coupon.Interval{}, g.settled)
	if err != nil {
		return err
	}
	r.rule("What if: the history is told again to the changed program, returns and all, as referrals remember it: with the payments up to the one that qualified. A program that asks for later ones is told too low; and nobody knows who else would have come.")
	r.section(fmt.Sprintf("What if it had been %q (as it was; as it would have been)", changed.Name))
	r.line("friends who registered by a link", count(int(would.Referrals)), count(int(would.Referrals)))
	r.line("friends qualified, and stayed so", count(int(was.Confirmed)), count(int(would.Qualified)))
	r.totals("all rewards", would.Recorded, would.Changed)
	for _, reward := range would.Rewards {
		r.totals(fmt.Sprintf("%s, %s", reward.Side, reward.Step), reward.Recorded, reward.Changed)
	}
	return nil
}

// totals adds the rows of what rewards come to: how many, those withheld, and
// what they give.
func (r *report) totals(what string, was, would referral.Totals) {
	r.line(what, count(int(was.Rewards)), count(int(would.Rewards)))
	r.line("  withheld, by a cap or the budget", count(int(was.Withheld)), count(int(would.Withheld)))
	r.line("  granted, and taken back", count(int(was.ClawedBack)), count(int(would.ClawedBack)))
	gave, gives := given(was), given(would)
	all := maps.Clone(gave)
	maps.Copy(all, gives)
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		r.line("  "+kind, orNone(gave[kind]), orNone(gives[kind]))
	}
}

// given is what rewards gave, by what it is.
func given(t referral.Totals) map[string]string {
	all := make(map[string]string)
	for _, m := range t.Credit {
		all["credit, "+m.Currency().Code()] = m.String()
	}
	for _, m := range t.TakenBack {
		all["taken back of credit, "+m.Currency().Code()] = m.String()
	}
	for _, o := range t.Coupons {
		all["coupons of "+o.Offer] = count(o.Count)
	}
	for kind, n := range t.Custom {
		all[kind] = count(int(n))
	}
	return all
}

func orNone(figure string) string {
	if figure == "" {
		return "none"
	}
	return figure
}
