package startcontainer_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hearthos/hearth/api/abi/logseg"
	"github.com/hearthos/hearth/runtime/agent/internal/logpipe"
)

// journal keeps what a service printed.
type journal struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (j *journal) Write(records ...logseg.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range records {
		j.lines = append(j.lines, string(r.Stream)+" "+r.Source+": "+strings.TrimSpace(r.Message))
	}
	return nil
}

func TestTheLogKnowsWhichProgramPrinted(t *testing.T) {
	t.Parallel()
	s := newRoot(t)
	s.launch()
	log := &journal{}
	sink := logpipe.New(log)
	shared, err := sink.Pipe(logseg.Stdout, "service")
	must(t, err)
	offer := logpipe.NewOffer(sink)
	must(t, offer.Replaces(shared, logseg.Stdout))
	socket := filepath.Join(t.TempDir(), "log.sock")
	lis, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: socket, Net: "unixpacket"})
	must(t, err)
	served := make(chan struct{})
	go func() { defer close(served); offer.Serve(lis) }()

	other, err := os.Create(filepath.Join(t.TempDir(), "file"))
	must(t, err)
	for _, out := range []*os.File{shared, other} {
		cmd := s.command("subcontainer", "exec", "--log-socket="+socket, s.root, "probe", "stdout")
		cmd.Stdout = out
		must(t, cmd.Run())
	}
	// Who finds no socket prints where everybody does.
	cmd := s.command("subcontainer", "exec", "--log-socket=/absent", s.root, "probe", "stdout")
	cmd.Stdout = shared
	must(t, cmd.Run())

	lis.Close()
	<-served
	shared.Close()
	sink.Drain()
	sink.Close()
	slices.Sort(log.lines)
	if got := strings.Join(log.lines, "\n"); got != "stdout probe: reopened\nstdout service: reopened" {
		t.Errorf("the log has\n%s", got)
	}
	if text, err := os.ReadFile(other.Name()); err != nil || string(text) != "reopened\n" {
		t.Errorf("the file has %q, %v", text, err)
	}
}
