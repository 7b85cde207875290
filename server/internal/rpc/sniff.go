package rpc

import (
	"bytes"
	"net"
	"sync"
	"time"

	"github.com/hearthos/hearth/server/internal/rpc/origin"
)

// preface is what a client of HTTP/2 sends first.
var preface = []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

// sniffer divides the connections of a listener by their first bytes: those of HTTP/2, which are native gRPC, and all
// others. A client that sends nothing has the time of a header for it. Their number is that of open connections,
// which the listener bounds.
type sniffer struct {
	lis    *origin.Stamped
	h2, h1 *side
	done   chan struct{} // closed by close
	once   sync.Once
	tasks  sync.WaitGroup
}

// side is the listener of one kind.
type side struct {
	s     *sniffer
	conns chan net.Conn
}

// sniff takes lis over.
func sniff(lis *origin.Stamped) *sniffer {
	s := &sniffer{lis: lis, done: make(chan struct{})}
	s.h2 = &side{s, make(chan net.Conn)}
	s.h1 = &side{s, make(chan net.Conn)}
	s.tasks.Add(1)
	go func() { defer s.tasks.Done(); s.accept() }()
	return s
}

func (s *sniffer) accept() {
	defer s.close()
	for {
		conn, err := s.lis.Accept()
		if err != nil {
			return
		}
		s.tasks.Add(1)
		go func() { defer s.tasks.Done(); s.divide(conn.(*origin.Conn)) }()
	}
}

// divide reads until it knows what the connection is, and hands it to its side.
func (s *sniffer) divide(conn *origin.Conn) {
	raw, stop := conn.Conn, make(chan struct{})
	defer close(stop)
	go func() { // a silent client must not hold up the end
		select {
		case <-s.done:
			raw.SetReadDeadline(time.Unix(1, 0))
		case <-stop:
		}
	}()
	conn.SetReadDeadline(time.Now().Add(headerTimeout))
	head, isH2, err := classify(conn)
	if err != nil || conn.SetReadDeadline(time.Time{}) != nil {
		conn.Close()
		return
	}
	conn.Conn = &prefixed{Conn: raw, head: head}
	to := s.h1
	if isH2 {
		to = s.h2
	}
	select {
	case to.conns <- conn:
	case <-s.done:
		conn.Close()
	}
}

// classify reads no more than it needs to tell HTTP/2 from everything else, and returns what it read.
func classify(conn net.Conn) (head []byte, isH2 bool, err error) {
	buf := make([]byte, len(preface))
	n := 0
	for n < len(buf) {
		m, err := conn.Read(buf[n:])
		n += m
		if !bytes.HasPrefix(preface, buf[:n]) {
			return buf[:n], false, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
	return buf, true, nil
}

// close ends both sides and the listener.
func (s *sniffer) close() {
	s.once.Do(func() {
		close(s.done)
		s.lis.Close()
	})
}

// wait returns when nothing runs any more; after close.
func (s *sniffer) wait() { s.tasks.Wait() }

// Accept implements net.Listener.
func (l *side) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.s.done:
		return nil, net.ErrClosed
	}
}

// Close ends both sides: one does not go without the other.
func (l *side) Close() error {
	l.s.close()
	return nil
}

// Addr implements net.Listener.
func (l *side) Addr() net.Addr { return l.s.lis.Addr() }

// prefixed gives back what was read to classify the connection.
type prefixed struct {
	net.Conn
	head []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) > 0 {
		n := copy(b, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}
