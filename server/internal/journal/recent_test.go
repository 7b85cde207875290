package journal_test

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/hearthos/hearth/server/internal/journal"
)

func TestRecentLinesCanBeFollowed(t *testing.T) {
	t.Parallel()
	recent := journal.NewRecent(3)
	log := slog.New(recent.Handler(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug})))
	_, next, more := recent.From(0)
	if next != 0 {
		t.Fatalf("%d lines before the first", next)
	}
	log.Debug("of no interest")
	select {
	case <-more:
		t.Error("a line of level debug is kept")
	default:
	}
	log.With("pkg", "hello").WithGroup("at").Warn("cannot start", "step", 3, slog.Group("of", "all", 9))
	<-more
	lines, next, _ := recent.From(next)
	if len(lines) != 1 || lines[0].Text != "cannot start pkg=hello at.step=3 at.of.all=9" || lines[0].Level != slog.LevelWarn {
		t.Errorf("kept %v", lines)
	}
	for i := range 5 {
		log.Info(fmt.Sprint(i))
	}
	log.Info(strings.Repeat("x", 5000))
	lines, next, _ = recent.From(next)
	if len(lines) != 3 || lines[0].Text != "3" || len(lines[2].Text) > 1024 || next != 7 {
		t.Errorf("of the last lines %v are kept, next is %d", lines, next)
	}
	if lines, _, _ = recent.From(99); len(lines) != 0 {
		t.Errorf("there are lines to come: %v", lines)
	}
}
