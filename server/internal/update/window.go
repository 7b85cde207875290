package update

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a machine may have no time zones of its own

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/reconcile"
)

// calendarOf is when a window opens.
func calendarOf(w *packagesv1.UpdateWindow) (reconcile.Calendar, error) {
	var zone *time.Location
	if name := w.GetTimeZone(); name != "" {
		var err error
		if zone, err = time.LoadLocation(name); err != nil {
			return reconcile.Calendar{}, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "there is no time zone %.80q", name).Violation("window.time_zone", "must be one, as in Europe/Berlin")
		}
	}
	days := "*"
	if len(w.GetDays()) > 0 {
		days = strings.Trim(strings.ReplaceAll(fmt.Sprint(slices.Sorted(slices.Values(w.GetDays()))), " ", ","), "[]")
	}
	hour, minute, _ := strings.Cut(w.GetStart(), ":")
	c, err := reconcile.ParseCalendar(minute+" "+hour+" * * "+days, zone)
	if err != nil {
		return c, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot read the window: %w", err).Violation("window.start", "must be a time, as in 03:30")
	}
	return c, nil
}

// open tells whether a window is open.
func open(w *packagesv1.UpdateWindow, now time.Time) bool {
	c, err := calendarOf(w)
	if err != nil {
		return false // it was refused when it was chosen; a zone can go with an upgrade
	}
	opened := c.Next(now.Add(-w.GetLength().AsDuration()))
	return !opened.IsZero() && !opened.After(now)
}
