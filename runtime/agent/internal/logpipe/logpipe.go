// Package logpipe takes what a service prints, line by line, from pipes into its log.
//
// It is deliberately not a filter: what was printed is kept as it is, up to the limits of the log's format. Which program of
// the service printed a line is known of those that asked for pipes of their own (offer.go); the others share two.
//
// Invariants: memory is bounded; a service that prints faster than the disk takes is slowed down by no more than
// Patience at a time, then its lines are dropped and counted, and the log says how many.
package logpipe

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hearthos/hearth/api/abi/logseg"
)

const (
	// Patience is how long a full queue may hold up a printing service before its lines are dropped.
	Patience = 100 * time.Millisecond
	// maxQueue bounds the bytes of messages that wait for the disk.
	maxQueue = 1 << 20
	// flushAfter is how long the beginning of a line waits for its end.
	flushAfter = time.Second
	// retryAfter is how long after the log refused lines it is asked to say so.
	retryAfter = 10 * time.Second
)

// Log is where records go; *logseg.Writer is one.
type Log interface {
	// Write writes records; without any it says how many were lost, if that has still to be said.
	Write(records ...logseg.Record) error
}

// Sink queues records for a log. Its methods may be called concurrently.
type Sink struct {
	log Log

	mu       sync.Mutex // guards what follows
	queue    []logseg.Record
	size     int
	dropped  uint64
	dropping bool
	closed   bool
	room     chan struct{} // closed when the queue was emptied, then made anew
	more     chan struct{} // holds one token while there is something to do

	pipes sync.WaitGroup
	done  chan struct{}
}

// New returns a Sink that writes to log until Close.
func New(log Log) *Sink {
	s := &Sink{log: log, room: make(chan struct{}), more: make(chan struct{}, 1), done: make(chan struct{})}
	go s.run()
	return s
}

// Pipe returns the end of a pipe for processes to print to; the caller closes its copy once it has handed it on. What
// comes out of it goes to the log as lines of the given stream and source, until all copies of the end are closed.
func (s *Sink) Pipe(stream logseg.Stream, source string) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot make a log pipe: %w", err)
	}
	// Programs of any user reopen their output as /dev/stdout; a pipe belongs to who made it unless told otherwise.
	if err := w.Chmod(0o666); err != nil {
		r.Close()
		w.Close()
		return nil, fmt.Errorf("cannot open a log pipe to all users: %w", err)
	}
	s.pipes.Add(1)
	go func() {
		defer s.pipes.Done()
		defer r.Close()
		s.read(r, stream, source)
	}()
	return w, nil
}

// Note adds a line of Hearth itself.
func (s *Sink) Note(format string, args ...any) {
	s.put(logseg.Record{Time: time.Now(), Stream: logseg.System, Source: "agent", Message: fmt.Sprintf(format, args...)})
}

// Drain waits until all pipes have ended.
func (s *Sink) Drain() { s.pipes.Wait() }

// Close writes what is queued and ends. What still comes out of pipes afterwards is lost.
func (s *Sink) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.signal()
	<-s.done
}

// read cuts what comes out of r into lines.
func (s *Sink) read(r *os.File, stream logseg.Stream, source string) {
	buf := make([]byte, 0, logseg.MaxMessage)
	emit := func(line []byte) {
		s.put(logseg.Record{Time: time.Now(), Stream: stream, Source: source, Message: string(bytes.TrimSuffix(line, []byte("\r")))})
	}
	for {
		// A prompt without an end of line shall be seen too.
		deadline := time.Time{}
		if len(buf) > 0 {
			deadline = time.Now().Add(flushAfter)
		}
		_ = r.SetReadDeadline(deadline)
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		rest := buf
		for {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				break
			}
			emit(rest[:i])
			rest = rest[i+1:]
		}
		buf = buf[:copy(buf, rest)]
		timeout := errors.Is(err, os.ErrDeadlineExceeded)
		if len(buf) == cap(buf) || len(buf) > 0 && err != nil {
			emit(buf)
			buf = buf[:0]
		}
		if err != nil && !timeout {
			return
		}
	}
}

func (s *Sink) put(r logseg.Record) {
	s.mu.Lock()
	if s.size+len(r.Message) > maxQueue && !s.dropping && !s.closed {
		room := s.room
		s.mu.Unlock()
		t := time.NewTimer(Patience)
		select {
		case <-room:
		case <-t.C:
		}
		t.Stop()
		s.mu.Lock()
	}
	if s.closed || s.dropping || s.size+len(r.Message) > maxQueue {
		s.dropping = true // until the queue is empty: a stuck disk costs the patience once, not for each line
		s.dropped++
		s.mu.Unlock()
		return
	}
	s.queue = append(s.queue, r)
	s.size += len(r.Message) + 64
	s.mu.Unlock()
	s.signal()
}

func (s *Sink) signal() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

func (s *Sink) run() {
	defer close(s.done)
	var retry <-chan time.Time
	for {
		select {
		case <-s.more:
		case <-retry:
			retry = nil
		}
		s.mu.Lock()
		batch, closed := s.queue, s.closed
		if s.dropped > 0 {
			batch = append(batch, logseg.Record{Time: time.Now(), Stream: logseg.System, Source: "agent",
				Message: fmt.Sprintf("%d lines were dropped: the service printed faster than the disk takes", s.dropped)})
		}
		s.queue, s.size, s.dropped, s.dropping = nil, 0, 0, false
		close(s.room)
		s.room = make(chan struct{})
		s.mu.Unlock()
		// The log counts what it lost and says so itself when it can: also when a service prints nothing any more.
		if err := s.log.Write(batch...); err == nil {
			retry = nil
		} else if retry == nil {
			retry = time.After(retryAfter)
		}
		if closed {
			return
		}
	}
}
