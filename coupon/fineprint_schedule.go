package coupon

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// schedule says when the offer can be used. The zone is named last, when days or
// hours of it were named or a limit counts by its days.
func (p *printing) schedule() {
	s := &p.offer.Schedule
	bounds := p.version.bounds
	if !bounds.From.IsZero() {
		p.add("schedule", p.Say("schedule_from", "from", p.from(bounds.From)), ReasonNotYet)
	}
	if !bounds.Until.IsZero() {
		until, key := p.until(bounds.Until, "schedule_until")
		p.add("schedule", p.Say(key, "until", until), ReasonExpired)
	}
	if s.Life > 0 {
		p.add("schedule.life", p.Say("life", "duration", p.Duration(s.Life)), ReasonExpired)
	}
	p.weekly(s.Weekly)
	for i, b := range s.Blackouts {
		p.blackout(fmt.Sprintf("schedule.blackouts[%d]", i), b)
	}
	if p.days || slices.ContainsFunc(p.offer.Limits, func(l Limit) bool { return l.Period != ledger.Lifetime }) {
		p.add("schedule.zone", p.Say("zone", "zone", cmp.Or(s.Zone, "UTC")))
	}
}

// from writes an instant as the day that begins with it, where one does.
func (p *printing) from(at time.Time) string {
	p.days = true
	local := at.In(p.version.zone)
	if beginsDay(local) {
		return p.Date(local)
	}
	return p.DateTime(local)
}

// until writes the end of an interval: as the last day in full, where one ends with
// it, and gives the key of the sentence for that.
func (p *printing) until(at time.Time, key string) (text, sentence string) {
	p.days = true
	local := at.In(p.version.zone)
	if beginsDay(local) {
		return p.Date(local.Add(-1)), key + "_day"
	}
	return p.DateTime(local), key
}

func beginsDay(local time.Time) bool {
	return local.Equal(startOfDay(local.Year(), local.Month(), local.Day(), local.Location()))
}

func (p *printing) blackout(rule string, b Blackout) {
	switch {
	case b.Until.IsZero():
		p.add(rule, p.Say("blackout_from", "name", b.Name, "from", p.from(b.From)), ReasonBlackout)
	case b.From.IsZero():
		until, key := p.until(b.Until, "blackout_until")
		p.add(rule, p.Say(key, "name", b.Name, "until", until), ReasonBlackout)
	default:
		until, key := p.until(b.Until, "blackout_from_until")
		p.add(rule, p.Say(key, "name", b.Name, "from", p.from(b.From), "until", until), ReasonBlackout)
	}
}

func (p *printing) weekly(windows []Window) {
	if len(windows) == 0 {
		return
	}
	p.days = true
	texts := make([]string, len(windows))
	for i, w := range windows {
		texts[i] = p.window(w)
	}
	p.add("schedule.weekly", p.Say("schedule_weekly", "windows", p.Enumerate(texts)), ReasonHours)
}

func (p *printing) window(w Window) string {
	days := p.Say("every_day")
	if len(w.Days) > 0 {
		names := make([]string, len(w.Days))
		for i, day := range w.Days {
			names[i] = p.Weekday(day)
		}
		days = p.And(names)
	}
	from, _ := clock(w.From, 0)
	until, _ := clock(w.Until, dayMinutes)
	key := "window"
	switch {
	case from == 0 && until%dayMinutes == 0:
		key = "window_whole_day"
	case until <= from:
		key = "window_next_day"
	}
	return p.Say(key, "days", days, "from", p.minutes(from), "until", p.minutes(until))
}

// minutes writes a minute of the day; the last is the end of the day.
func (p *printing) minutes(n int) string {
	if n == dayMinutes {
		return p.EndOfDay()
	}
	return p.Clock(time.Date(2000, 1, 1, n/60, n%60, 0, 0, time.UTC))
}
