package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/ledger"
)

func ExamplePeriod_At() {
	berlin, _ := time.LoadLocation("Europe/Berlin")
	label, until := ledger.Week.At(time.Date(2026, 11, 20, 12, 0, 0, 0, berlin), berlin)
	fmt.Println(label, "until", until)
	// Output:
	// 2026-W47 until 2026-11-23 00:00:00 +0100 CET
}

func zone(t require.TestingT, name string) *time.Location {
	loaded, err := time.LoadLocation(name)
	require.NoError(t, err)
	return loaded
}

func TestPeriodAt(t *testing.T) {
	for _, test := range []struct {
		name, zone, at string
		period         ledger.Period
		label, until   string
	}{
		{"a plain day", "UTC", "2026-11-20T23:59:59.999999Z", ledger.Day, "2026-11-20", "2026-11-21T00:00:00Z"},
		{"its first instant", "UTC", "2026-11-21T00:00:00Z", ledger.Day, "2026-11-21", "2026-11-22T00:00:00Z"},
		{"23 hours", "Europe/Berlin", "2026-03-29T01:30:00+01:00", ledger.Day, "2026-03-29", "2026-03-29T22:00:00Z"},
		{"25 hours", "Europe/Berlin", "2026-10-25T02:30:00+01:00", ledger.Day, "2026-10-25", "2026-10-25T23:00:00Z"},
		{"no midnight", "Africa/Cairo", "2026-04-24T01:00:00+03:00", ledger.Day, "2026-04-24", "2026-04-24T21:00:00Z"},
		{"before no midnight", "Africa/Cairo", "2026-04-23T23:59:59+02:00", ledger.Day, "2026-04-23", "2026-04-23T22:00:00Z"},
		{"two midnights", "America/Havana", "2026-11-01T00:30:00-05:00", ledger.Day, "2026-11-01", "2026-11-02T05:00:00Z"},
		{"before two midnights", "America/Havana", "2026-10-31T23:00:00-04:00", ledger.Day, "2026-10-31", "2026-11-01T04:00:00Z"},
		{"a day that never was", "Pacific/Apia", "2011-12-29T12:00:00-10:00", ledger.Day, "2011-12-29", "2011-12-30T10:00:00Z"},
		{"over midnight and back", "America/St_Johns", "2010-11-07T00:00:30-02:30", ledger.Day, "2010-11-07", "2010-11-08T03:30:00Z"},
		{"23:30 for the second time", "America/St_Johns", "2010-11-06T23:30:00-03:30", ledger.Day, "2010-11-07", "2010-11-08T03:30:00Z"},
		{"a Sunday", "UTC", "2026-11-22T12:00:00Z", ledger.Week, "2026-W47", "2026-11-23T00:00:00Z"},
		{"a Monday", "UTC", "2026-11-23T00:00:00Z", ledger.Week, "2026-W48", "2026-11-30T00:00:00Z"},
		{"a week of last year", "UTC", "2027-01-03T12:00:00Z", ledger.Week, "2026-W53", "2027-01-04T00:00:00Z"},
		{"a week of next year", "UTC", "2025-12-29T12:00:00Z", ledger.Week, "2026-W01", "2026-01-05T00:00:00Z"},
		{"a month from its last day", "UTC", "2026-01-31T12:00:00Z", ledger.Month, "2026-01", "2026-02-01T00:00:00Z"},
		{"December", "Asia/Tokyo", "2026-12-31T23:59:59+09:00", ledger.Month, "2026-12", "2026-12-31T15:00:00Z"},
		{"a year", "America/New_York", "2026-12-31T23:59:59-05:00", ledger.Year, "2026", "2027-01-01T05:00:00Z"},
		{"for life", "UTC", "2026-11-20T12:00:00Z", ledger.Lifetime, "", ""},
		{"mistyped", "UTC", "2026-11-20T12:00:00Z", "daily", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339Nano, test.at)
			require.NoError(t, err)
			label, until := test.period.At(at, zone(t, test.zone))
			assert.Equal(t, test.label, label)
			if test.until == "" {
				assert.True(t, until.IsZero())
				return
			}
			assert.Equal(t, test.until, until.UTC().Format(time.RFC3339))
		})
	}
}

func TestPeriodWithoutZoneIsUTC(t *testing.T) {
	at := time.Date(2026, 11, 20, 23, 30, 0, 0, time.FixedZone("", -5*3600))
	label, _ := ledger.Day.At(at, nil)
	assert.Equal(t, "2026-11-21", label)
}

func TestPeriodValid(t *testing.T) {
	for _, p := range []ledger.Period{ledger.Lifetime, ledger.Day, ledger.Week, ledger.Month, ledger.Year} {
		assert.True(t, p.Valid(), p)
	}
	assert.False(t, ledger.Period("daily").Valid())
}

// Periods follow one another without a gap: all instants before until have the
// label, until has another.
func TestPeriodsAreClosedOpen(t *testing.T) {
	zones := []string{
		"UTC", "Europe/Berlin", "Africa/Cairo", "America/Havana", "Pacific/Apia", "America/St_Johns",
		"Asia/Kolkata", "Pacific/Kiritimati", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Tehran",
	}
	rapid.Check(t, func(t *rapid.T) {
		where := zone(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		period := rapid.SampledFrom([]ledger.Period{ledger.Day, ledger.Week, ledger.Month, ledger.Year}).Draw(t, "period")
		at := time.Unix(rapid.Int64Range(0, 2_000_000_000).Draw(t, "at"), 0)
		label, until := period.At(at, where)
		require.True(t, until.After(at))
		require.Less(t, until.Sub(at), 367*24*time.Hour)
		between := at.Add(time.Duration(rapid.Int64Range(0, int64(until.Sub(at))-1).Draw(t, "later")))
		for _, instant := range []time.Time{between, until.Add(-1)} {
			same, ends := period.At(instant, where)
			require.Equal(t, label, same, instant)
			require.True(t, ends.Equal(until), instant)
		}
		next, _ := period.At(until, where)
		require.NotEqual(t, label, next)
	})
}
