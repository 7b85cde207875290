package service

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	jshostv1 "github.com/hearthos/hearth/api/gen/go/hearth/jshost/v1"
)

// How a JavaScript host that cannot answer is noticed, and how long it may be so before it is ended.
const (
	// stoppedLimit is for one that a signal has stopped: only another signal lets it go on.
	stoppedLimit = 10 * time.Second
	// lookEvery is how often it is looked at, answerWithin how long it has for an answer.
	lookEvery    = 20 * time.Second
	answerWithin = 20 * time.Second
	// silentLimit and silentLimitData are how many answers in a row it may owe: for two minutes, and for half an hour
	// while the package's code works on its data, which an end in the middle could leave half done.
	silentLimit     = 6
	silentLimitData = 90
	// restless is the time on a processor from which on it is no idle host.
	restless = time.Millisecond
)

// pulse notices that the JavaScript host cannot answer, and ends it when it stays so: it was stopped by a signal, which the
// kernel tells, or its one thread is stuck, which only a question finds out. It is asked while a call into the package is
// under way and when it has worked since its last answer: a host that gets stuck has worked before. An idle one is left
// alone.
//
//	answers ──stopped──▶ told ──10 s──▶ ended
//	   │ no answer for 20 s             ▲
//	   └──────────▶ told ──2 min or 30 min
//
// Time in which the whole container does not run counts as one answer owed at most.
type pulse struct {
	ready   <-chan struct{}                // closed when it can be asked
	stopped func() (bool, <-chan struct{}) // and when that changes
	ask     func(context.Context) error    // an error: no answer
	worked  func() (time.Duration, bool)   // time on a processor so far; false: not known
	busy    func() (any, data bool)        // calls under way, and whether one works on the data
	tell    func(why string)               // why it does not answer; "": it does
	end     func(why string)
}

func (s *Service) pulse() pulse {
	return pulse{
		ready: s.host.Ready(), stopped: s.host.Stopped, tell: s.state.stall,
		worked: func() (time.Duration, bool) { return timeOnCPU(s.host.PID()) },
		ask: func(ctx context.Context) error {
			_, err := s.host.Client().Ping(ctx, &jshostv1.PingRequest{})
			if c := status.Code(err); c == codes.Canceled || c == codes.DeadlineExceeded || c == codes.Unavailable {
				return err
			}
			return nil
		},
		busy: func() (bool, bool) {
			any, data := s.state.busy()
			return any || s.executing.Load() > 0, data
		},
		end: func(why string) {
			s.verdict <- why
			_ = s.host.Signal(syscall.SIGKILL)
		},
	}
}

// run watches until done is closed, or it has ended the host.
func (p pulse) run(done <-chan struct{}) {
	ready := p.ready
	answered := time.Duration(-1) // what it had worked when it last answered
	owed := 0                     // answers
	for {
		stopped, turned := p.stopped()
		if stopped {
			p.tell("a signal has stopped its process")
			if !wait(done, turned, stoppedLimit) {
				p.end(fmt.Sprintf("a signal stopped its process, and it did not go on within %v", stoppedLimit))
				return
			}
			p.tell("")
			owed = 0
			continue
		}
		pause := lookEvery
		if owed > 0 {
			pause = 0
		}
		select {
		case <-done:
			return
		case <-turned:
			continue
		case <-ready:
			ready = nil
		case <-time.After(pause):
		}
		busy, data := p.busy()
		if ready != nil || owed == 0 && !busy && p.idle(answered) {
			continue
		}
		if p.answers(done, turned) {
			p.tell("")
			owed = 0
			answered, _ = p.worked()
			continue
		}
		select {
		case <-done:
			return
		case <-turned:
			continue
		default:
		}
		owed++
		p.tell("its process is busy with something and does not answer")
		if limit := owedLimit(data); owed >= limit {
			p.end(fmt.Sprintf("its process was busy with something and did not answer for %v", time.Duration(limit)*answerWithin))
			return
		}
	}
}

// idle tells whether the host has not worked since it answered.
func (p pulse) idle(answered time.Duration) bool {
	worked, known := p.worked()
	return known && answered >= 0 && worked-answered < restless
}

func owedLimit(data bool) int {
	if data {
		return silentLimitData
	}
	return silentLimit
}

// answers asks, and gives up when the process is stopped or ends meanwhile. No answer takes all its time, also when the
// connection is broken, so that those that are owed count time.
func (p pulse) answers(done, turned <-chan struct{}) bool {
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin) // an answer is nobody's request
	defer cancel()
	go func() {
		select {
		case <-turned:
		case <-done:
		case <-ctx.Done():
		}
		cancel()
	}()
	if p.ask(ctx) == nil {
		return true
	}
	<-ctx.Done()
	return false
}

// wait tells whether one of two channels is closed within a time.
func wait(a, b <-chan struct{}, limit time.Duration) bool {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-a:
	case <-b:
	case <-t.C:
		return false
	}
	return true
}

// timeOnCPU is how long the main thread of a process has run, which is the one that JavaScript runs on.
func timeOnCPU(pid int) (time.Duration, bool) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
	if err != nil {
		return 0, false
	}
	first, _, _ := bytes.Cut(raw, []byte(" "))
	ns, err := strconv.ParseInt(string(first), 10, 64)
	return time.Duration(ns), err == nil
}
