package reconcile_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/server/internal/reconcile"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func calendar(t testing.TB, text string, loc *time.Location) reconcile.Calendar {
	t.Helper()
	c, err := reconcile.ParseCalendar(text, loc)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// In Berlin the clocks go from 02:00 to 03:00 on 2026-03-29, and from 03:00 back to 02:00 on 2026-10-25. In Lord Howe
// they are changed by half an hour.
func TestTimesHoldWhenClocksChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, zone, text, from string
		want                   []string
	}{
		{"a time that exists every day", "Europe/Berlin", "0 5 * * *", "2026-03-28T12:00:00+01:00",
			[]string{"2026-03-29T05:00:00+02:00", "2026-03-30T05:00:00+02:00"}},
		{"a time that does not exist", "Europe/Berlin", "30 2 * * *", "2026-03-28T02:30:00+01:00",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"}},
		{"a time that exists twice", "Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00+02:00",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		{"between the two that exist", "Europe/Berlin", "30 2 * * *", "2026-10-25T02:10:00+01:00",
			[]string{"2026-10-26T02:30:00+01:00"}},
		{"every hour, forward", "Europe/Berlin", "0 * * * *", "2026-03-29T01:00:00+01:00",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"}},
		{"every hour, back", "Europe/Berlin", "0 * * * *", "2026-10-25T01:00:00+02:00",
			[]string{"2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"}},
		{"half an hour forward", "Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00:00+10:30",
			[]string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"}},
		{"at midnight where midnight is skipped", "America/Santiago", "0 0 * * *", "2026-09-05T12:00:00-04:00",
			[]string{"2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"}},
		{"a day of the week", "Europe/Berlin", "15 4 * * 1", "2026-11-26T00:00:00+01:00",
			[]string{"2026-11-30T04:15:00+01:00", "2026-12-07T04:15:00+01:00"}},
		{"a rare day", "UTC", "0 0 29 2 *", "2097-01-01T00:00:00Z", []string{"2104-02-29T00:00:00Z"}},
		{"one kind of day is enough", "UTC", "0 0 13 * 5", "2026-11-01T00:00:00Z",
			[]string{"2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cal := calendar(t, c.text, zone(t, c.zone))
			at, err := time.Parse(time.RFC3339, c.from)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for range c.want {
				at = cal.Next(at)
				got = append(got, at.Format(time.RFC3339))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTimesThatNeverAreOrAreNoTimesAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "* * * *", "0 0 30 2 *", "61 * * * *", "0 25 * * *", "@daily", "TZ=UTC 0 0 * * *", "x"} {
		if _, err := reconcile.ParseCalendar(text, time.UTC); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// The bubble begins at midnight UTC of 2000-01-01.
func TestCalendarWakesItsKey(t *testing.T) {
	t.Parallel()
	var ran record
	in(t, func(w *world) {
		time.Sleep(7 * time.Minute)
		synctest.Wait()
		var got []string
		for _, at := range ran.at {
			got = append(got, at.UTC().Format("15:04:05"))
		}
		if diff := cmp.Diff([]string{"00:02:00", "00:04:00", "00:06:00"}, got); diff != "" {
			t.Error(diff)
		}
	}, at(t, "*/2 * * * *", &ran, nil))
}

func at(t testing.TB, times string, ran *record, fail func(n int) bool) reconcile.Controller {
	return reconcile.Controller{
		Name: "c", Times: []reconcile.Time{{Key: "k", Calendar: calendar(t, times, time.UTC)}},
		Reconcile: func(_ context.Context, key string) (time.Duration, error) {
			if n := ran.add(key); fail != nil && fail(n) {
				return 0, errors.New("by chance")
			}
			return 0, nil
		},
	}
}

func TestTimesMissedWhileOffAreMadeUpForOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ran record
		dir := t.TempDir()
		for _, run := range []struct{ off, on time.Duration }{{0, 4 * time.Minute}, {100 * time.Hour, 2 * time.Minute}, {time.Hour, 2 * time.Minute}} {
			time.Sleep(run.off)
			w := &world{t: t, st: open(t, dir)}
			w.run(func(*world) {
				time.Sleep(run.on)
				synctest.Wait()
			}, at(t, "3 0 * * *", &ran, nil))
		}
		// At 00:03 of the first day, and once for the four days that passed; nothing for the hour off.
		if len(ran.at) != 2 || ran.at[1].UTC().Format("2 15:04") != "5 04:04" {
			t.Errorf("ran at %v", ran.at)
		}
	})
}

func TestTimeThatWasNotKeptIsKeptByTheNextProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var failed, kept, idle record
		for i, ran := range []*record{&failed, &kept, &idle} {
			w := &world{t: t, st: open(t, dir)}
			w.run(func(*world) {
				time.Sleep(5 * time.Minute)
				synctest.Wait()
			}, at(t, "3 0 * * *", ran, func(int) bool { return i == 0 }))
		}
		if len(failed.at) < 5 || len(kept.at) != 1 || len(idle.at) != 0 {
			t.Errorf("%d attempts, then %d, then %d", len(failed.at), len(kept.at), len(idle.at))
		}
	})
}
