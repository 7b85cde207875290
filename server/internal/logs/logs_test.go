package logs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/api/abi/logseg"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/logs"
	"github.com/hearthos/hearth/server/internal/store"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

type world struct {
	*logs.Keeper
	t      *testing.T
	dir    string
	writer *logseg.Writer
	lines  int
}

// newWorld is a server with the package "hello", whose agent has written nothing yet.
func newWorld(t *testing.T) *world {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	_, err = st.Update(t.Context(), noon, func(tx *store.Tx) error {
		return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: "hello"}, Spec: &packagesv1.PackageSpec{}})
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "logs")}
	if w.Keeper, err = logs.New(w.dir, st); err != nil {
		t.Fatal(err)
	}
	return w
}

// print has the agent write lines "0", "1" and so on.
func (w *world) print(n int) {
	w.t.Helper()
	if w.writer == nil {
		folder := filepath.Join(w.dir, "hello")
		if err := os.MkdirAll(folder, 0o700); err != nil {
			w.t.Fatal(err)
		}
		var err error
		if w.writer, err = logseg.NewWriter(folder); err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { _ = w.writer.Close() })
	}
	for range n {
		if err := w.writer.Write(logseg.Record{Time: noon, Stream: logseg.Stderr, Source: "web", Message: fmt.Sprint(w.lines)}); err != nil {
			w.t.Fatal(err)
		}
		w.lines++
	}
}

func (w *world) read(req *logsv1.ReadLogsRequest) []*logsv1.LogEntry {
	w.t.Helper()
	req.PackageId = "hello"
	var all []*logsv1.LogEntry
	err := w.Read(w.t.Context(), req, func(entries []*logsv1.LogEntry) error {
		all = append(all, entries...)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func words(entries []*logsv1.LogEntry) string {
	var list []string
	for _, e := range entries {
		list = append(list, e.GetMessage())
	}
	return strings.Join(list, " ")
}

func TestTailAndCursor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got := w.read(&logsv1.ReadLogsRequest{}); len(got) != 0 {
		t.Errorf("a log without lines: %v", got)
	}
	w.print(300)
	if got := len(w.read(&logsv1.ReadLogsRequest{})); got != 200 {
		t.Errorf("who does not say how many gets %d lines", got)
	}
	if got := w.read(&logsv1.ReadLogsRequest{Tail: new(int32(0))}); len(got) != 0 {
		t.Errorf("who wants none gets %s", words(got))
	}
	last := w.read(&logsv1.ReadLogsRequest{Tail: new(int32(3))})
	if got := words(last); got != "297 298 299" {
		t.Errorf("the last three are %s", got)
	}
	if e := last[0]; e.GetStream() != logsv1.LogEntry_STREAM_STDERR || e.GetSource() != "web" || !e.GetTime().AsTime().Equal(noon) {
		t.Errorf("a line is %v", e)
	}
	if got := words(w.read(&logsv1.ReadLogsRequest{Cursor: last[1].GetCursor()})); got != "299" {
		t.Errorf("after a cursor come %s", got)
	}
}

func TestFollowGoesOnWithNewLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.print(2)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []*logsv1.LogEntry
	enough := errors.New("enough")
	err := w.Read(ctx, &logsv1.ReadLogsRequest{PackageId: "hello", Follow: true}, func(entries []*logsv1.LogEntry) error {
		got = append(got, entries...)
		if len(got) == 2 {
			w.print(3)
		}
		if len(got) >= 5 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("it ended with %v", err)
	}
	if diff := cmp.Diff("0 1 2 3 4", words(got)); diff != "" {
		t.Error(diff)
	}
}

func TestFollowEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.print(1)
	ctx, cancel := context.WithCancel(t.Context())
	err := w.Read(ctx, &logsv1.ReadLogsRequest{PackageId: "hello", Follow: true}, func([]*logsv1.LogEntry) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.print(1)
	send := func([]*logsv1.LogEntry) error { return nil }
	if err := w.Read(t.Context(), &logsv1.ReadLogsRequest{PackageId: "other"}, send); !fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) {
		t.Errorf("a package that is not installed: %v", err)
	}
	for _, cursor := range []string{"x", "1", "1:x", "-1:0", "1:-1"} {
		if err := w.Read(t.Context(), &logsv1.ReadLogsRequest{PackageId: "hello", Cursor: cursor}, send); !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
	for _, id := range []string{"", "..", "a/b"} {
		if err := w.Remove(t.Context(), id); err == nil {
			t.Errorf("the log of %q was removed", id)
		}
	}
	for range 2 {
		if err := w.Remove(t.Context(), "hello"); err != nil {
			t.Error(err)
		}
	}
	if entries, err := os.ReadDir(w.dir); len(entries) > 0 || err != nil {
		t.Errorf("left: %v, %v", entries, err)
	}
}
