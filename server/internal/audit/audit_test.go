package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	auditv1 "github.com/hearthos/hearth/api/gen/go/hearth/audit/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hearthos/hearth/server/internal/audit"
	"github.com/hearthos/hearth/server/internal/store"
)

const refused, ok = metav1.Reason_REASON_PERMISSION_DENIED, metav1.Reason_REASON_UNSPECIFIED

type fixture struct {
	t     *testing.T
	store *store.Store
	log   *audit.Log
	out   *bytes.Buffer
}

func newFixture(t *testing.T, limits audit.Limits) *fixture {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, store: st, out: &bytes.Buffer{}}
	f.log = audit.New(st, slog.New(slog.NewTextHandler(f.out, nil)), time.Now, limits)
	return f
}

func (f *fixture) begin(method, address string) *audit.Pending {
	return f.log.Begin(func() *auditv1.EntrySpec {
		return &auditv1.EntrySpec{Method: method, Address: address, Caller: "c", CallerId: "01c", CallTime: timestamppb.Now()}
	})
}

// list tells the entries, the newest first, in a few words.
func (f *fixture) list() []string {
	f.t.Helper()
	entries, _, err := f.log.List(&auditv1.ListEntriesRequest{}, "", 10_000)
	if err != nil {
		f.t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		st := e.GetStatus()
		line := e.GetSpec().GetMethod() + " " + strings.ToLower(strings.TrimPrefix(st.GetOutcome().String(), "OUTCOME_"))
		if st.GetReason() != 0 {
			line += " " + st.GetReason().String()
		}
		if st.GetCount() != 1 {
			line += fmt.Sprintf(" %d", st.GetCount())
		}
		out = append(out, line)
	}
	return out
}

func (f *fixture) want(lines ...string) {
	f.t.Helper()
	if got := f.list(); strings.Join(got, "\n") != strings.Join(lines, "\n") {
		f.t.Errorf("the entries are\n%s\nand not\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

// change writes a row as a call would.
func (f *fixture) change(ctx context.Context, id string) (uint64, error) {
	return f.store.Update(ctx, time.Now(), func(tx *store.Tx) error {
		return store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: id}})
	})
}

func TestAChangeAndItsEntryAreOneCommit(t *testing.T) {
	t.Parallel()
	f := newFixture(t, audit.DefaultLimits())
	defer f.store.Close()
	p := f.begin("Start", "")
	ctx := p.Context(t.Context())
	before := f.store.Revision()
	revision, err := f.change(ctx, "a")
	if err != nil || revision != before+1 {
		t.Fatalf("%d after %d, %v", revision, before, err)
	}
	f.want("Start done")
	if _, err := f.change(ctx, "b"); err != nil {
		t.Fatal(err)
	}
	p.End(t.Context(), ok)
	f.want("Start done")
	if f.store.Revision() != before+2 {
		t.Errorf("the entry cost %d commits of its own", f.store.Revision()-before-2)
	}
	entries, _, err := f.log.List(&auditv1.ListEntriesRequest{}, "", 10_000)
	if err != nil || entries[0].GetMeta().GetRevision() != revision {
		t.Errorf("the entry is of revision %d, the change of %d, %v", entries[0].GetMeta().GetRevision(), revision, err)
	}
}

func TestWhatACallLeavesBehindChangesItsEntryNoMore(t *testing.T) {
	t.Parallel()
	f := newFixture(t, audit.DefaultLimits())
	defer f.store.Close()
	p := f.begin("Start", "")
	ctx := p.Context(t.Context())
	if _, err := f.change(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	p.End(t.Context(), metav1.Reason_REASON_INTERNAL)
	if _, err := f.change(ctx, "b"); err != nil {
		t.Fatal(err)
	}
	f.want("Start failed REASON_INTERNAL")
}

func TestACommitThatFailsHasNoEntry(t *testing.T) {
	t.Parallel()
	f := newFixture(t, audit.DefaultLimits())
	defer f.store.Close()
	p := f.begin("Start", "")
	failed := errors.New("no")
	_, err := f.store.Update(p.Context(t.Context()), time.Now(), func(tx *store.Tx) error {
		if err := store.Put(tx, &packagesv1.Package{Meta: &metav1.Meta{Id: "a"}}); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	f.want()
}

func TestACallWithoutRowsHasItsEntryWhenItEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, audit.DefaultLimits())
	defer f.store.Close()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	f.begin("Run", "").End(cancelled, ok)
	f.want("Run done")
}

func TestACallThatIsRecordedFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t, audit.DefaultLimits())
	defer f.store.Close()
	p := f.begin("Shutdown", "")
	if err := p.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.want("Shutdown begun")
	p.End(t.Context(), ok)
	f.want("Shutdown done")
	p = f.begin("Shutdown", "")
	if err := p.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.End(t.Context(), refused)
	f.want("Shutdown failed REASON_PERMISSION_DENIED", "Shutdown done")
}

func TestWhatCannotBeRecordedIsInTheLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t, audit.DefaultLimits())
	p := f.begin("Run", "")
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	p.End(t.Context(), ok)
	if !strings.Contains(f.out.String(), "cannot record a call") {
		t.Errorf("the log is %q", f.out)
	}
}

// A flood of refused calls leaves a bounded number of entries, which count all of them; other places are heard meanwhile.
func TestAFloodOfRefusalsIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, audit.DefaultLimits())
		defer f.store.Close()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.log.Run(ctx) }()
		const flood = 5000
		for i := range flood {
			f.begin("Login", fmt.Sprintf("[2001:db8:1:2::%x]:999", i)).End(ctx, refused)
		}
		f.begin("Login", "192.0.2.1:4").End(ctx, refused)
		time.Sleep(2 * time.Minute)
		total := 0
		entries, _, err := f.log.List(&auditv1.ListEntriesRequest{}, "", 10_000)
		for _, e := range entries {
			total += int(e.GetStatus().GetCount())
		}
		if err != nil || total != flood+1 || len(entries) != 12 {
			t.Errorf("%d entries for %d calls, %v", len(entries), total, err)
		}
		for i := range 300 {
			f.begin("Login", fmt.Sprintf("198.51.%d.%d:9", i/250, i%250)).End(ctx, refused)
		}
		f.begin("Late", "203.0.113.1:9").End(ctx, refused)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		total = -flood - 1
		entries, _, err = f.log.List(&auditv1.ListEntriesRequest{}, "", 10_000)
		for _, e := range entries {
			total += int(e.GetStatus().GetCount())
		}
		if err != nil || total != 301 {
			t.Errorf("%d calls are counted when the server stops, %v", total, err)
		}
	})
}

func TestEntriesAreKeptWithinLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, audit.Limits{Entries: 20, Refusals: 5, Age: time.Hour})
		defer f.store.Close()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.log.Run(ctx) }()
		for i := range 260 {
			f.begin(fmt.Sprintf("Run%03d", i), "").End(ctx, ok)
			if i%30 == 0 {
				f.begin("Login", fmt.Sprintf("192.0.2.%d:9", i)).End(ctx, refused)
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Minute)
		count := map[string]int{}
		for _, line := range f.list() {
			count[strings.Fields(line)[1]]++
		}
		if count["refused"] > 5+1 || count["done"]+count["refused"] > 20+20 || count["done"] < 10 {
			t.Errorf("kept %v", count)
		}
		time.Sleep(3 * time.Hour)
		f.want()
		stop()
		<-done
	})
}

func TestOneCallersFloodPushesOutHisOwnEntries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, audit.Limits{Entries: 20, Refusals: 5, Age: time.Hour})
		defer f.store.Close()
		call := func(caller string) {
			f.log.Begin(func() *auditv1.EntrySpec {
				return &auditv1.EntrySpec{Method: caller, Caller: caller, CallTime: timestamppb.Now()}
			}).End(t.Context(), ok)
		}
		for range 8 {
			call("owner")
		}
		call("operator")
		for range 250 {
			call("viewer")
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if err := f.log.Run(ended); err != nil && ended.Err() == nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.log.Run(ctx) }()
		time.Sleep(time.Minute)
		count := map[string]int{}
		for _, line := range f.list() {
			count[strings.Fields(line)[0]]++
		}
		if count["owner"] != 8 || count["operator"] != 1 || count["viewer"] != 11 {
			t.Errorf("kept %v", count)
		}
		stop()
		<-done
	})
}

func TestACallThatIsLeftOutHasAnEntryOnlyWhenItFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t, audit.DefaultLimits())
	defer f.store.Close()
	for _, reason := range []metav1.Reason{ok, refused} {
		p := f.begin("Choose", "")
		p.LeaveOut()
		if _, err := f.change(p.Context(t.Context()), "a"); err != nil {
			t.Fatal(err)
		}
		p.End(t.Context(), reason)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := f.log.Run(ended); err != nil && ended.Err() == nil {
		t.Fatal(err)
	}
	f.want("Choose refused REASON_PERMISSION_DENIED")
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, audit.DefaultLimits())
		defer f.store.Close()
		f.begin("hearth.StartPackage", "").End(t.Context(), ok)
		time.Sleep(time.Hour)
		middle := time.Now()
		f.begin("hearth.StopPackage", "").End(t.Context(), ok)
		for name, c := range map[string]struct {
			req  *auditv1.ListEntriesRequest
			want int
		}{
			"all":            {&auditv1.ListEntriesRequest{}, 2},
			"caller":         {&auditv1.ListEntriesRequest{Caller: "c"}, 2},
			"credential":     {&auditv1.ListEntriesRequest{Caller: "01c"}, 2},
			"another caller": {&auditv1.ListEntriesRequest{Caller: "d"}, 0},
			"method":         {&auditv1.ListEntriesRequest{Method: "startp"}, 1},
			"outcome":        {&auditv1.ListEntriesRequest{Outcome: auditv1.EntryStatus_OUTCOME_REFUSED}, 0},
			"since":          {&auditv1.ListEntriesRequest{Since: timestamppb.New(middle)}, 1},
			"until":          {&auditv1.ListEntriesRequest{Until: timestamppb.New(middle)}, 1},
		} {
			if got, _, err := f.log.List(c.req, "", 100); err != nil || len(got) != c.want {
				t.Errorf("%s: %d entries, %v", name, len(got), err)
			}
		}
	})
}

func TestEntriesAreListedInPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, audit.DefaultLimits())
		defer f.store.Close()
		begin := time.Now()
		for i := range 23 {
			f.begin(fmt.Sprintf("Run%02d", i), "").End(t.Context(), ok)
			time.Sleep(time.Second)
		}
		for name, c := range map[string]struct {
			req  *auditv1.ListEntriesRequest
			want int
		}{
			"all": {&auditv1.ListEntriesRequest{}, 23}, "of ten seconds": {&auditv1.ListEntriesRequest{Since: timestamppb.New(begin.Add(13 * time.Second))}, 10},
			"two": {&auditv1.ListEntriesRequest{Method: "Run1", Until: timestamppb.New(begin.Add(12 * time.Second))}, 2}, "none": {&auditv1.ListEntriesRequest{Method: "x"}, 0},
		} {
			seen, before, last := 0, "", "~"
			for more := true; more; {
				var page []*auditv1.Entry
				var err error
				if page, more, err = f.log.List(c.req, before, 5); err != nil || len(page) > 5 || more && len(page) < 5 {
					t.Fatalf("%s: a page of %d, more %t, %v", name, len(page), more, err)
				}
				for _, e := range page {
					if e.GetMeta().GetId() >= last {
						t.Errorf("%s: %s comes after %s", name, e.GetMeta().GetId(), last)
					}
					last = e.GetMeta().GetId()
					seen++
				}
				before = last
			}
			if seen != c.want {
				t.Errorf("%s: %d entries, want %d", name, seen, c.want)
			}
		}
	})
}
