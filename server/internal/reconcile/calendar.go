package reconcile

import (
	"fmt"
	"slices"
	"time"

	"github.com/robfig/cron/v3"
)

// Calendar says at which times of the wall clock something is due, in the time zone of the people who wrote it down. It
// holds when clocks change: a time that does not exist on that day is due when the clocks have changed; one that exists
// twice is due the first time. Where every hour is meant ("0 * * * *") it is every hour that passes, however it is called.
type Calendar struct {
	text      string
	zone      *time.Location // nil: that of the machine
	spec      *cron.SpecSchedule
	everyHour bool
}

// everyBit marks a field that was written as a star.
const everyBit = 1 << 63

// maxDays is how far ahead a time is looked for: the 29th of February can be eight years away.
const maxDays = 9 * 366

// ParseCalendar reads the five fields of a crontab ("30 3 * * *": minute, hour, day of the month, month, day of the
// week). A zone of nil is that of the machine. What is never due, such as the 30th of February, is refused.
func ParseCalendar(text string, zone *time.Location) (Calendar, error) {
	parsed, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(text)
	if err != nil {
		return Calendar{}, fmt.Errorf("cannot read %q as times: %w", text, err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok || len(text) > 4 && (text[:3] == "TZ=" || text[:4] == "CRON") {
		return Calendar{}, fmt.Errorf("cannot read %q as times: write five fields, as in \"30 3 * * *\"", text)
	}
	c := Calendar{text: text, zone: zone, spec: spec, everyHour: spec.Hour&everyBit != 0}
	if c.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Calendar{}, fmt.Errorf("cannot use %q: there is no such day", text)
	}
	return c, nil
}

// MustCalendar is ParseCalendar for times that are written in the program, in the zone of the machine.
func MustCalendar(text string) Calendar {
	c, err := ParseCalendar(text, nil)
	if err != nil {
		panic(err)
	}
	return c
}

// String is what was parsed.
func (c Calendar) String() string { return c.text }

// Next is the first time after t, without its seconds; the zero time where there is none.
func (c Calendar) Next(t time.Time) time.Time {
	zone := c.zone
	if zone == nil {
		zone = time.Local
	}
	year, month, day := t.In(zone).Date()
	// A time that is due late because it does not exist can belong to the day before.
	for i := -1; i < maxDays; i++ {
		date := time.Date(year, month, day+i, 12, 0, 0, 0, zone)
		if !c.onDay(date) {
			continue
		}
		var first time.Time
		for _, at := range c.onDate(date) {
			if at.After(t) && (first.IsZero() || at.Before(first)) {
				first = at
			}
		}
		if !first.IsZero() {
			return first
		}
	}
	return time.Time{}
}

// onDay tells whether something is due on a date. As in a crontab, where both kinds of day are given one is enough.
func (c Calendar) onDay(date time.Time) bool {
	has := func(field uint64, n int) bool { return field&(1<<n) != 0 }
	inMonth, inWeek := has(c.spec.Dom, date.Day()), has(c.spec.Dow, int(date.Weekday()))
	days := inMonth && inWeek
	if c.spec.Dom&everyBit == 0 && c.spec.Dow&everyBit == 0 {
		days = inMonth || inWeek
	}
	return days && has(c.spec.Month, int(date.Month()))
}

// onDate lists the times of a date.
func (c Calendar) onDate(date time.Time) []time.Time {
	var list []time.Time
	for hour := range 24 {
		for minute := range 60 {
			if c.spec.Hour&(1<<hour) != 0 && c.spec.Minute&(1<<minute) != 0 {
				list = append(list, c.instants(date, hour, minute)...)
			}
		}
	}
	return list
}

// instants are the moments at which the wall clock shows a time on a date and something is due.
func (c Calendar) instants(date time.Time, hour, minute int) []time.Time {
	year, month, day := date.Date()
	wall := time.Date(year, month, day, hour, minute, 0, 0, time.UTC)
	var list []time.Time
	_, before := wall.Add(-14 * time.Hour).In(date.Location()).Zone()
	_, after := wall.Add(14 * time.Hour).In(date.Location()).Zone()
	offsets := []int{before}
	if after != before {
		offsets = append(offsets, after)
	}
	for _, offset := range offsets {
		at := wall.Add(-time.Duration(offset) * time.Second).In(date.Location())
		if _, shown := at.Zone(); shown == offset {
			list = append(list, at)
		}
	}
	slices.SortFunc(list, time.Time.Compare)
	switch {
	case c.everyHour:
	case len(list) > 1:
		list = list[:1]
	case len(list) == 0: // the clocks are put forward over it
		start, _ := wall.Add(-time.Duration(before) * time.Second).In(date.Location()).ZoneBounds()
		list = append(list, start)
	}
	return list
}
