package logpipe_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hearthos/hearth/api/abi/logseg"
	"github.com/hearthos/hearth/runtime/agent/internal/logpipe"
)

// memory is a log that can be made to hang.
type memory struct {
	mu      sync.Mutex
	records []logseg.Record
	more    chan struct{}
	hang    chan struct{}
}

func newMemory() *memory { return &memory{more: make(chan struct{}, 1)} }

func (m *memory) Write(records ...logseg.Record) error {
	if m.hang != nil {
		<-m.hang
	}
	m.mu.Lock()
	m.records = append(m.records, records...)
	m.mu.Unlock()
	select {
	case m.more <- struct{}{}:
	default:
	}
	return nil
}

func (m *memory) waitFor(n int) []string {
	for {
		m.mu.Lock()
		var out []string
		for _, r := range m.records {
			out = append(out, string(r.Stream)+" "+r.Source+" "+r.Message)
		}
		m.mu.Unlock()
		if len(out) >= n {
			return out
		}
		<-m.more
	}
}

func pipe(t *testing.T, s *logpipe.Sink, stream logseg.Stream) *os.File {
	t.Helper()
	w, err := s.Pipe(stream, "service")
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestLinesArriveWhole(t *testing.T) {
	t.Parallel()
	log := newMemory()
	s := logpipe.New(log)
	w := pipe(t, s, logseg.Stdout)
	fmt.Fprint(w, "one\r\ntw")
	log.waitFor(1)
	fmt.Fprint(w, "o\n\nlast without end")
	w.Close()
	want := []string{"stdout service one", "stdout service two", "stdout service ", "stdout service last without end"}
	if diff := cmp.Diff(want, log.waitFor(4)); diff != "" {
		t.Fatal(diff)
	}
	s.Note("goodbye %d", 1)
	s.Close()
	if got := log.waitFor(5)[4]; got != "system agent goodbye 1" {
		t.Fatal(got)
	}
}

func TestALongLineIsCutAndNothingOfItLost(t *testing.T) {
	t.Parallel()
	log := newMemory()
	s := logpipe.New(log)
	defer s.Close()
	w := pipe(t, s, logseg.Stderr)
	long := strings.Repeat("0123456789abcdef", 2500)
	fmt.Fprint(w, long+"\n")
	w.Close()
	got := log.waitFor(3)
	joined := ""
	for _, l := range got {
		m := strings.TrimPrefix(l, "stderr service ")
		if len(m) > logseg.MaxMessage {
			t.Errorf("a line of %d bytes", len(m))
		}
		joined += m
	}
	if joined != long {
		t.Fatalf("%d of %d bytes came through", len(joined), len(long))
	}
}

func TestAPromptWithoutEndIsSeen(t *testing.T) {
	t.Parallel()
	log := newMemory()
	s := logpipe.New(log)
	defer s.Close()
	w := pipe(t, s, logseg.Stdout)
	defer w.Close()
	fmt.Fprint(w, "password: ")
	if diff := cmp.Diff([]string{"stdout service password: "}, log.waitFor(1)); diff != "" {
		t.Fatal(diff)
	}
}

func TestAStuckDiskDelaysTheServiceOnceAndTheLossIsTold(t *testing.T) {
	t.Parallel()
	log := newMemory()
	log.hang = make(chan struct{})
	s := logpipe.New(log)
	w := pipe(t, s, logseg.Stdout)
	const lines = 20000
	begin := time.Now()
	for i := range lines {
		fmt.Fprintf(w, "%d %s\n", i, strings.Repeat("x", 250))
	}
	w.Close()
	if took := time.Since(begin); took > 20*logpipe.Patience {
		t.Errorf("the service was held up for %v", took)
	}
	close(log.hang)
	s.Close()
	kept, dropped := 0, 0
	for _, l := range log.waitFor(1) {
		if strings.HasPrefix(l, "system ") {
			var n int
			fmt.Sscanf(l, "system agent %d lines were dropped", &n)
			dropped += n
		} else {
			kept++
		}
	}
	if dropped == 0 || kept == 0 || kept+dropped > lines {
		t.Fatalf("kept %d and dropped %d of %d", kept, dropped, lines)
	}
}

// refusing is a log on a full disk, which counts as logseg.Writer does.
type refusing struct {
	mu   sync.Mutex // guards what follows
	full bool
	lost int
	said []string
}

func (r *refusing) Write(records ...logseg.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full {
		r.lost += len(records)
		return os.ErrInvalid
	}
	if r.lost > 0 {
		r.said = append(r.said, fmt.Sprintf("%d lost", r.lost))
		r.lost = 0
	}
	for _, rec := range records {
		r.said = append(r.said, rec.Message)
	}
	return nil
}

// A service whose last lines were lost on a full disk is silent now; that they were lost is told all the same.
func TestLostLinesAreToldThoughNothingMoreIsPrinted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &refusing{}
		set := func(full bool) {
			synctest.Wait()
			log.mu.Lock()
			defer log.mu.Unlock()
			log.full = full
		}
		s := logpipe.New(log)
		s.Note("before")
		set(true)
		s.Note("one")
		synctest.Wait()
		s.Note("two")
		set(true)
		time.Sleep(time.Hour)
		set(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		log.mu.Lock()
		if diff := cmp.Diff([]string{"before", "2 lost"}, log.said); diff != "" {
			t.Error(diff)
		}
		log.mu.Unlock()
		s.Close()
	})
}
