package logs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hearthos/hearth/api/abi/logseg"
	"github.com/hearthos/hearth/api/fault"
)

func at(seconds int) *timestamppb.Timestamp {
	return timestamppb.New(noon.Add(time.Duration(seconds) * time.Second))
}

// clock has the agent write one line a second: even ones of "web", odd ones of "db", into several segments.
func (w *world) clock(n int) {
	w.t.Helper()
	w.print(0)
	for i := range n {
		if i%100 == 0 { // a writer that begins anew begins a segment
			if err := w.writer.Close(); err != nil {
				w.t.Fatal(err)
			}
			var err error
			if w.writer, err = logseg.NewWriter(filepath.Join(w.dir, "hello")); err != nil {
				w.t.Fatal(err)
			}
		}
		rec := logseg.Record{Time: noon.Add(time.Duration(i) * time.Second), Stream: logseg.Stdout, Source: []string{"web", "db"}[i%2], Message: fmt.Sprint(i)}
		if err := w.writer.Write(rec); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestOnlyTheLinesThatAreWanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.clock(450)
	three := new(int32(3))
	for name, tc := range map[string]struct {
		req  *logsv1.ReadLogsRequest
		want string
	}{
		"a time range":               {&logsv1.ReadLogsRequest{Since: at(100), Until: at(103)}, "100 101 102"},
		"the end of a range":         {&logsv1.ReadLogsRequest{Since: at(100), Until: at(203), Tail: three}, "200 201 202"},
		"before a time":              {&logsv1.ReadLogsRequest{Until: at(2)}, "0 1"},
		"since the last second":      {&logsv1.ReadLogsRequest{Since: at(449)}, "449"},
		"since the future":           {&logsv1.ReadLogsRequest{Since: at(500)}, ""},
		"a program":                  {&logsv1.ReadLogsRequest{Source: "db", Tail: three}, "445 447 449"},
		"a pattern":                  {&logsv1.ReadLogsRequest{Grep: "^1.1$"}, "101 111 121 131 141 151 161 171 181 191"},
		"a pattern and a program":    {&logsv1.ReadLogsRequest{Grep: "^4.0$", Source: "web", Tail: three}, "420 430 440"},
		"what nobody printed":        {&logsv1.ReadLogsRequest{Grep: "x"}, ""},
		"more than there are":        {&logsv1.ReadLogsRequest{Grep: "^44[0-3]$", Tail: new(int32(100000))}, "440 441 442 443"},
		"nothing earlier":            {&logsv1.ReadLogsRequest{Grep: "4", Tail: new(int32(0))}, ""},
		"a pattern without its case": {&logsv1.ReadLogsRequest{Grep: "(?i)^449$"}, "449"},
	} {
		if got := words(w.read(tc.req)); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
	err := w.Read(t.Context(), &logsv1.ReadLogsRequest{PackageId: "hello", Grep: "("}, nil)
	if !fault.Is(err, metav1.Reason_REASON_INVALID_ARGUMENT) {
		t.Errorf("a pattern that is none: %v", err)
	}
}

func TestFollowFiltersAndEndsWhereItShall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.clock(4)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []*logsv1.LogEntry
	req := &logsv1.ReadLogsRequest{PackageId: "hello", Follow: true, Source: "db", Until: at(1000)}
	err := w.Read(ctx, req, func(entries []*logsv1.LogEntry) error {
		if got = append(got, entries...); len(got) != 2 {
			return nil
		}
		for _, rec := range []logseg.Record{{Time: at(7).AsTime(), Source: "web"}, {Time: at(8).AsTime(), Source: "db", Message: "new"}} {
			rec.Stream = logseg.Stdout
			if err := w.writer.Write(rec); err != nil {
				return err
			}
		}
		return w.writer.Write(logseg.Record{Time: at(1000).AsTime(), Stream: logseg.Stdout, Source: "db", Message: "late"})
	})
	if errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("it goes on: %v", words(got))
	}
	if err != nil || words(got) != "1 3 new" {
		t.Errorf("%q, %v", words(got), err)
	}
}

func TestALogOfRubbishIsSearchedToItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.clock(10)
	if err := os.WriteFile(filepath.Join(w.dir, "hello", "00000099.log"), []byte("rubbish\nmore"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := words(w.read(&logsv1.ReadLogsRequest{Grep: "[3-5]", Since: at(0)})); got != "3 4 5" {
		t.Errorf("it finds %q", got)
	}
}
