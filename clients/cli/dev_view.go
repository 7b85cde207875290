package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
)

// devView is where all that 'package dev' has to tell comes together: lines, and on a terminal a last line that says what is
// being done and how the service is. Its methods may be called at the same time.
type devView struct {
	a    *app // prints past the view
	live bool

	mu     sync.Mutex
	doing  string // what is being done
	state  string // of the service
	health map[string]*packagesv1.HealthCheckStatus
	drawn  bool
}

func newDevView(a *app) *devView {
	return &devView{a: a, live: obeys(a.Err) && !a.rows(), health: map[string]*packagesv1.HealthCheckStatus{}}
}

// above is a stream whose writes stand above the last line.
type above struct {
	v *devView
	w io.Writer
}

func (s above) Write(p []byte) (int, error) {
	s.v.mu.Lock()
	defer s.v.mu.Unlock()
	s.v.wipe()
	n, err := s.w.Write(p)
	s.v.draw()
	return n, err
}

// app is the command line that prints into the view.
func (v *devView) app() *app {
	b := *v.a
	b.Out, b.Err = above{v, v.a.Out}, above{v, v.a.Err}
	return &b
}

// do says what is being done from now on.
func (v *devView) do(what string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.wipe()
	v.doing = what
	v.draw()
}

// end leaves the last line.
func (v *devView) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.wipe()
	v.live = false
}

func (v *devView) wipe() {
	if v.drawn {
		fmt.Fprint(v.a.Err, "\r\x1b[K")
		v.drawn = false
	}
}

func (v *devView) draw() {
	if !v.live {
		return
	}
	parts := []string{v.doing}
	if v.state != "" {
		parts = append(parts, v.state)
	}
	for _, id := range slices.Sorted(maps.Keys(v.health)) {
		parts = append(parts, printable(v.health[id].GetName())+" "+word(v.health[id].GetResult()))
	}
	line := cut(strings.Join(parts, " · "), columns(v.a.Err)-1)
	fmt.Fprint(v.a.Err, line)
	v.drawn = true
}

// became keeps the state of the service, "" when there is none, and tells whether that is news.
func (v *devView) became(state string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	news := v.state != state
	v.wipe()
	v.state = state
	v.draw()
	return news
}

// checked keeps what a health check found, nil when it is gone, and tells whether that is to be told.
func (v *devView) checked(id string, found *packagesv1.HealthCheckStatus) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	old := v.health[id]
	v.wipe()
	if found == nil {
		delete(v.health, id)
	} else {
		v.health[id] = found
	}
	v.draw()
	return found != nil && (old.GetResult() != found.GetResult() || old.GetMessage() != found.GetMessage())
}

// maxLine bounds a line of a program's output.
const maxLine = 64 << 10

// lines calls told for each line that is written to it, and for what is left at the end.
type lines struct {
	told func(string)
	rest bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	for _, b := range p {
		if b == '\n' || l.rest.Len() >= maxLine {
			l.end()
		}
		if b != '\n' {
			l.rest.WriteByte(b)
		}
	}
	return len(p), nil
}

func (l *lines) end() {
	if text := strings.TrimRight(l.rest.String(), "\r"); text != "" {
		l.told(text)
	}
	l.rest.Reset()
}
