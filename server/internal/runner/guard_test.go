package runner

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
)

// playedAgent is an agent that answers, or does not, and what a watchman makes of it.
type playedAgent struct {
	mu      sync.Mutex // guards what follows
	silent  bool
	broken  bool
	state   *agentv1.State
	changed chan struct{}
	told    []string
	given   string
	after   time.Duration
}

func (a *playedAgent) set(fn func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fn()
	close(a.changed)
	a.changed = make(chan struct{})
}

func watched(t *testing.T, script func(a *playedAgent)) *playedAgent {
	t.Helper()
	a := &playedAgent{state: &agentv1.State{Phase: agentv1.State_PHASE_RUNNING}}
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		a.changed = make(chan struct{})
		known := make(chan struct{})
		close(known)
		ctx, cancel := context.WithCancel(t.Context())
		w := watchman{
			known: known,
			ask: func(ctx context.Context) error {
				a.mu.Lock()
				silent, broken := a.silent, a.broken
				a.mu.Unlock()
				if broken {
					return errors.New("connection refused")
				}
				if silent {
					<-ctx.Done()
				}
				return ctx.Err()
			},
			current: func() (*agentv1.State, <-chan struct{}) {
				a.mu.Lock()
				defer a.mu.Unlock()
				return a.state, a.changed
			},
			tell: func(why string) { a.told = append(a.told, why) },
			give: func(why string) { a.given, a.after = why, time.Since(begun) },
		}
		ran := make(chan struct{})
		go func() {
			defer close(ran)
			w.run(ctx)
		}()
		script(a)
		cancel()
		<-ran
	})
	return a
}

func TestAnAgentThatAnswersIsNoNews(t *testing.T) {
	t.Parallel()
	a := watched(t, func(*playedAgent) { time.Sleep(24 * time.Hour) })
	if len(a.told) > 0 || a.given != "" {
		t.Errorf("told %q, given up: %q", a.told, a.given)
	}
}

func TestASilentAgentIsToldAndGivenUp(t *testing.T) {
	t.Parallel()
	for name, silence := range map[string]func(*playedAgent){
		"it does not answer":    func(a *playedAgent) { a.silent = true },
		"nobody is there":       func(a *playedAgent) { a.broken = true },
		"and its code does not": func(a *playedAgent) { a.silent, a.state = true, &agentv1.State{Stalled: "x"} },
	} {
		a := watched(t, func(a *playedAgent) {
			time.Sleep(time.Hour)
			a.set(func() { silence(a) })
			time.Sleep(time.Hour)
		})
		if most := time.Hour + askEvery + silentLimit*answerLimit + 5*tellEvery; a.given == "" || a.after > most {
			t.Errorf("%s: given up after %v: %q", name, a.after, a.given)
		}
		if !slices.Contains(a.told, "the agent in its container does not answer") {
			t.Errorf("%s: told %q", name, a.told)
		}
	}
}

func TestAnAgentThatAnswersAgainIsKept(t *testing.T) {
	t.Parallel()
	a := watched(t, func(a *playedAgent) {
		for range 3 {
			a.set(func() { a.silent = true })
			time.Sleep(40 * time.Second)
			a.set(func() { a.silent = false })
			time.Sleep(5 * time.Minute)
		}
	})
	if a.given != "" || len(a.told) != 6 || a.told[5] != "" {
		t.Errorf("told %q, given up: %q", a.told, a.given)
	}
}

func TestCodeThatDoesNotAnswerIsToldAndNotTooOften(t *testing.T) {
	t.Parallel()
	a := watched(t, func(a *playedAgent) {
		a.set(func() { a.state = &agentv1.State{Stalled: "a signal has stopped its process"} })
		time.Sleep(time.Minute)
		a.set(func() { a.state = &agentv1.State{} })
		time.Sleep(time.Minute)
	})
	want := []string{"the package's code does not answer: a signal has stopped its process", ""}
	if !slices.Equal(a.told, want) || a.given != "" {
		t.Errorf("told %q, given up: %q", a.told, a.given)
	}
	hostile := watched(t, func(a *playedAgent) {
		for i := range 10000 {
			a.set(func() { a.state = &agentv1.State{Stalled: string(rune('a' + i%26))} })
			time.Sleep(time.Millisecond)
		}
	})
	if n := len(hostile.told); n > 11 {
		t.Errorf("in 10 s it was told %d times", n)
	}
}
