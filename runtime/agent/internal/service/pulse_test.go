package service

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// played is a JavaScript host whose life is written down: when it is stopped, stuck or at work.
type played struct {
	mu      sync.Mutex // guards what follows
	stopped bool
	turned  chan struct{}
	stuck   bool
	broken  bool
	work    time.Duration
	calls   bool
	data    bool

	asked int
	told  []string
	ended string
	over  time.Duration
}

func (h *played) change(fn func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fn()
}

func (h *played) stop(now bool) {
	h.change(func() {
		h.stopped = now
		close(h.turned)
		h.turned = make(chan struct{})
	})
}

// live runs a pulse for a time while script does something to the host.
func live(t *testing.T, span time.Duration, script func(h *played)) *played {
	h := &played{}
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		h.turned = make(chan struct{})
		ready, done := make(chan struct{}), make(chan struct{})
		close(ready)
		p := pulse{
			ready: ready,
			stopped: func() (bool, <-chan struct{}) {
				h.mu.Lock()
				defer h.mu.Unlock()
				return h.stopped, h.turned
			},
			ask: func(ctx context.Context) error {
				h.change(func() { h.asked++ })
				h.mu.Lock()
				silent, broken := h.stuck || h.stopped, h.broken
				h.mu.Unlock()
				if broken {
					return context.Canceled
				}
				if silent {
					<-ctx.Done()
				}
				return ctx.Err()
			},
			worked: func() (time.Duration, bool) {
				h.mu.Lock()
				defer h.mu.Unlock()
				return h.work, true
			},
			busy: func() (bool, bool) {
				h.mu.Lock()
				defer h.mu.Unlock()
				return h.calls, h.data
			},
			tell: func(why string) {
				h.change(func() {
					if n := len(h.told); n == 0 && why != "" || n > 0 && h.told[n-1] != why {
						h.told = append(h.told, why)
					}
				})
			},
			end: func(why string) {
				h.change(func() { h.ended, h.over = why, time.Since(begun) })
			},
		}
		ran := make(chan struct{})
		go func() {
			defer close(ran)
			p.run(done)
		}()
		if script != nil {
			script(h)
		}
		time.Sleep(span)
		close(done)
		<-ran
	})
	return h
}

func TestAnIdleHostIsLeftAlone(t *testing.T) {
	t.Parallel()
	if h := live(t, 24*time.Hour, nil); h.asked != 1 || h.ended != "" || len(h.told) > 0 {
		t.Errorf("asked %d times, told %q, ended %q", h.asked, h.told, h.ended)
	}
}

func TestAHostThatWorksIsAsked(t *testing.T) {
	t.Parallel()
	h := live(t, 0, func(h *played) {
		for range 100 {
			time.Sleep(time.Minute)
			h.change(func() { h.work += 5 * time.Millisecond })
		}
		time.Sleep(time.Hour)
	})
	if h.asked < 100 || h.asked > 102 || h.ended != "" {
		t.Errorf("asked %d times, ended %q", h.asked, h.ended)
	}
}

func TestAHostThatASignalStoppedIsToldAndEnded(t *testing.T) {
	t.Parallel()
	h := live(t, time.Hour, func(h *played) {
		time.Sleep(time.Hour + 7*time.Second)
		h.stop(true)
	})
	if h.over != time.Hour+17*time.Second || h.ended != "a signal stopped its process, and it did not go on within 10s" {
		t.Errorf("ended after %v: %q", h.over, h.ended)
	}
	if !slices.Equal(h.told, []string{"a signal has stopped its process"}) {
		t.Errorf("told %q", h.told)
	}
}

func TestAHostThatGoesOnInTimeLives(t *testing.T) {
	t.Parallel()
	h := live(t, time.Hour, func(h *played) {
		for range 5 {
			h.stop(true)
			time.Sleep(9 * time.Second)
			h.stop(false)
			time.Sleep(time.Minute)
		}
	})
	if h.ended != "" || len(h.told) != 10 || h.told[9] != "" {
		t.Errorf("ended %q, told %q", h.ended, h.told)
	}
}

func TestAHostThatIsStuckIsToldAndEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		play func(*played)
		want time.Duration // from the moment it is stuck, with at most 20 s until it is asked
	}{
		"in its main":                {func(h *played) { h.work += time.Hour }, 2 * time.Minute},
		"without using a processor":  {func(h *played) { h.work += 2 * time.Millisecond }, 2 * time.Minute},
		"in a call":                  {func(h *played) { h.calls = true }, 2 * time.Minute},
		"while it works on the data": {func(h *played) { h.calls, h.data = true, true }, 30 * time.Minute},
		"with its socket closed":     {func(h *played) { h.calls, h.broken = true, true }, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := live(t, 2*time.Hour, func(h *played) {
				time.Sleep(time.Hour + time.Second)
				h.change(func() { h.stuck = true; c.play(h) })
			})
			if after := h.over - time.Hour - time.Second; h.ended == "" || after < c.want || after > c.want+lookEvery {
				t.Errorf("ended after %v: %q", after, h.ended)
			}
			if len(h.told) != 1 {
				t.Errorf("told %q", h.told)
			}
		})
	}
}

func TestAHostThatAnswersAgainLives(t *testing.T) {
	t.Parallel()
	h := live(t, time.Hour, func(h *played) {
		for range 3 {
			h.change(func() { h.stuck, h.calls = true, true })
			time.Sleep(90 * time.Second)
			h.change(func() { h.stuck = false })
			time.Sleep(10 * time.Minute)
		}
	})
	if h.ended != "" || len(h.told) != 6 || h.told[5] != "" {
		t.Errorf("ended %q, told %q", h.ended, h.told)
	}
}
