package coupon

import (
	"fmt"
	"slices"
	"time"

	"github.com/vouch-go/vouch/ledger"
)

// Interval is the time from From until just before Until. A zero From or Until is
// no bound.
type Interval struct {
	From, Until time.Time
}

// Contains says that an instant lies in the interval.
func (i Interval) Contains(at time.Time) bool {
	return !at.Before(i.From) && (i.Until.IsZero() || at.Before(i.Until))
}

// Days is the interval of whole local days from first to last, both given as
// "2006-01-02", the last counted in full, in a time zone of the IANA database
// ("Europe/Berlin"). A day without a midnight begins with its first instant. It
// fails with [ErrOffer].
func Days(first, last, zone string) (Interval, error) {
	faults := &Faults{Kind: ErrOffer}
	location, err := loadZone(zone)
	if err != nil || zone == "" {
		faults.add("zone", "%.80q is not a time zone of the IANA database", zone)
		return Interval{}, faults
	}
	if first == "" {
		faults.add("first", "is missing")
	}
	if last == "" {
		faults.add("last", "is missing")
	}
	interval := LocalDays{first, last}.interval("first", "last", location, faults)
	return interval, faults.orNil()
}

// LocalDays are whole days in a zone, as "2006-01-02", the last counted in full.
// An empty First or Last is no bound.
type LocalDays struct {
	First, Last string
}

func (d LocalDays) interval(first, last string, zone *time.Location, faults *Faults) Interval {
	day := func(path, text string, later int) time.Time {
		if text == "" {
			return time.Time{}
		}
		date, err := time.Parse(time.DateOnly, text)
		if err != nil {
			faults.add(path, "%.40q is not a date like 2006-01-02", text)
			return time.Time{}
		}
		return startOfDay(date.Year(), date.Month(), date.Day()+later, zone)
	}
	i := Interval{From: day(first, d.First, 0), Until: day(last, d.Last, 1)}
	if !i.Until.IsZero() && !i.From.Before(i.Until) {
		faults.add(last, "%s lies before %s", d.Last, d.First)
	}
	return i
}

// startOfDay is the first instant of a local day: where the day ends that noon
// was in a day before, as [ledger.Period] counts days.
func startOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	noon := time.Date(year, month, day, 12, 0, 0, 0, zone)
	_, start := ledger.Day.At(noon.Add(-24*time.Hour), zone)
	return start
}

// Schedule says when an offer can be used. All of it must hold.
type Schedule struct {
	Interval            // the zero value: always
	Days      LocalDays // whole days in Zone; the zero value: every day
	Weekly    []Window  // only in these windows; empty: at all hours
	Blackouts []Blackout

	// Life is how long an issued coupon can be used, from its issue; 0: as long
	// as the offer itself. Whole seconds, at most 100 years.
	Life time.Duration

	// Zone is where days, windows and the periods of limits begin, as named by
	// the IANA database; empty: UTC.
	Zone string
}

// Window is a time of the week, by the clocks of the schedule's zone. On days when
// clocks change, what the clock shows counts: an hour shown twice is in the window
// both times.
type Window struct {
	Days []time.Weekday // on which it begins; empty: every day
	From string         // "15:04"; empty: "00:00"
	// Until is where it ends, itself not in it, as "15:04" or "24:00"; empty:
	// "24:00". When it is not after From, it is on the day after.
	Until string
}

// Blackout is a time in which an offer can't be used, such as a sales event.
type Blackout struct {
	Name string // shown to shoppers
	Interval
}

const (
	maxWindows     = 50
	maxLifeSeconds = 100 * 365 * 24 * 3600 // 100 years
)

func (s *Schedule) check(faults *Faults) {
	s.Interval.check("schedule.", faults)
	zone, err := loadZone(s.Zone)
	if err != nil {
		faults.add("schedule.zone", "%.80q is not a time zone of the IANA database", s.Zone)
		zone = time.UTC
	}
	s.Days.interval("schedule.first_day", "schedule.last_day", zone, faults)
	if len(s.Weekly) > maxWindows {
		faults.add("schedule.weekly", "has %d windows, at most %d are allowed", len(s.Weekly), maxWindows)
	}
	for i, w := range s.Weekly[:min(len(s.Weekly), maxWindows)] {
		w.check(fmt.Sprintf("schedule.weekly[%d]", i), faults)
	}
	if len(s.Blackouts) > maxBlackouts {
		faults.add("schedule.blackouts", "has %d entries, at most %d are allowed", len(s.Blackouts), maxBlackouts)
	}
	for i, b := range s.Blackouts[:min(len(s.Blackouts), maxBlackouts)] {
		path := fmt.Sprintf("schedule.blackouts[%d]", i)
		if b.Name == "" || len(b.Name) > MaxKey || !printable(b.Name) {
			faults.id(path+".name", b.Name, false)
		}
		if b.From.IsZero() && b.Until.IsZero() {
			faults.add(path, "has neither from nor until: the offer could never be used")
		}
		b.Interval.check(path+".", faults)
	}
	if s.Life < 0 || s.Life > maxLifeSeconds*time.Second || s.Life%time.Second != 0 {
		faults.add("schedule.life_seconds", "is %s, want 0 to 100 years in whole seconds", s.Life)
	}
}

func loadZone(name string) (*time.Location, error) {
	if name == "Local" { // the machine's own zone would make two machines disagree
		return nil, fmt.Errorf("coupon: the zone %q depends on the machine", name)
	}
	return time.LoadLocation(name)
}

func (i Interval) check(prefix string, faults *Faults) {
	if !i.From.IsZero() {
		faults.instant(prefix+"from", i.From)
	}
	if !i.Until.IsZero() {
		faults.instant(prefix+"until", i.Until)
		if !i.From.Before(i.Until) {
			faults.add(prefix+"until", "does not lie after from: no time is left")
		}
	}
}

func (w Window) check(path string, faults *Faults) {
	for i, day := range w.Days {
		if day < time.Sunday || day > time.Saturday {
			faults.add(fmt.Sprintf("%s.days[%d]", path, i), "is %d, which is no day of the week", day)
		}
	}
	if _, ok := clock(w.From, 0); !ok || w.From == "24:00" {
		faults.add(path+".from", "%.20q is not a time like 09:00", w.From)
	}
	if _, ok := clock(w.Until, dayMinutes); !ok {
		faults.add(path+".until", "%.20q is not a time like 17:30", w.Until)
	}
}

const dayMinutes = 24 * 60

// clock reads "15:04" as minutes of the day.
func clock(text string, empty int) (int, bool) {
	switch text {
	case "":
		return empty, true
	case "24:00":
		return dayMinutes, true
	}
	at, err := time.Parse("15:04", text)
	return at.Hour()*60 + at.Minute(), err == nil && len(text) == 5
}

// contains says that a local wall clock stands in the window.
func (w Window) contains(local time.Time) bool {
	from, _ := clock(w.From, 0)
	until, _ := clock(w.Until, dayMinutes)
	now := local.Hour()*60 + local.Minute()
	begins := func(day time.Weekday) bool { return len(w.Days) == 0 || slices.Contains(w.Days, day) }
	if from < until {
		return begins(local.Weekday()) && from <= now && now < until
	}
	return begins(local.Weekday()) && from <= now || begins((local.Weekday()+6)%7) && now < until
}

// bounds are the instants between which the interval and the days both hold.
func (s *Schedule) bounds(zone *time.Location) Interval {
	i, days := s.Interval, s.Days.interval("", "", zone, &Faults{Kind: ErrOffer})
	if i.From.IsZero() || days.From.After(i.From) {
		i.From = days.From
	}
	if i.Until.IsZero() || !days.Until.IsZero() && days.Until.Before(i.Until) {
		i.Until = days.Until
	}
	return i
}
