package ledger

import (
	"fmt"
	"time"
)

// Period is how often a limit starts anew. The zero value is Lifetime: never.
type Period string

// The periods. A week is ISO 8601's and starts on Monday.
const (
	Lifetime Period = ""
	Day      Period = "day"
	Week     Period = "week"
	Month    Period = "month"
	Year     Period = "year"
)

// Valid says whether the period is one of those above.
func (p Period) Valid() bool {
	switch p {
	case Lifetime, Day, Week, Month, Year:
		return true
	}
	return false
}

// At is the period that the instant lies in, in the days of the zone (nil: UTC):
// its label ("2026-11-20", "2026-W47", "2026-11", "2026") and the instant at
// which the next one starts. A period contains its first instant and not until.
// It is right on the days when clocks change, and on days that have no midnight.
//
// A lifetime has the label "" and the zero until; so has a period that is not
// Valid, which makes a mistyped limit stricter, never looser.
func (p Period) At(at time.Time, zone *time.Location) (label string, until time.Time) {
	if zone == nil {
		zone = time.UTC
	}
	day := dayAt(at, zone)
	switch p {
	case Day:
		return day.Format(time.DateOnly), startOf(day.AddDate(0, 0, 1), zone)
	case Week:
		year, week := day.ISOWeek()
		sinceMonday := (int(day.Weekday()) + 6) % 7
		return fmt.Sprintf("%04d-W%02d", year, week), startOf(day.AddDate(0, 0, 7-sinceMonday), zone)
	case Month:
		return day.Format("2006-01"), startOf(date(day.Year(), day.Month()+1, 1), zone)
	case Year:
		return day.Format("2006"), startOf(date(day.Year()+1, time.January, 1), zone)
	}
	return "", time.Time{}
}

// date is a calendar day, written as its midnight in UTC.
func date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// dayAt is the calendar day an instant belongs to. When clocks went back over
// midnight, the hour that is lived twice belongs to the later day both times, so
// that every day is one unbroken interval.
func dayAt(at time.Time, zone *time.Location) time.Time {
	day := date(at.In(zone).Date())
	if next := day.AddDate(0, 0, 1); !at.Before(startOf(next, zone)) {
		return next
	}
	return day
}

// startOf is the first instant at which clocks in the zone show the day or a
// later one. It walks the zone's offsets, because time.Date may answer on either
// side of a midnight that does not exist.
func startOf(day time.Time, zone *time.Location) time.Time {
	at := day.Add(-26 * time.Hour).In(zone) // no offset from UTC reaches that far
	for {
		_, offset := at.Zone()
		midnight := day.Add(-time.Duration(offset) * time.Second)
		if midnight.Before(at) {
			return at
		}
		_, end := at.ZoneBounds()
		if end.IsZero() || midnight.Before(end) {
			return midnight.In(zone)
		}
		at = end
	}
}
