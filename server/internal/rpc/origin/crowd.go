package origin

import (
	"net"
	"sync"
	"time"
)

// Read reads, and notes that the connection is not silent.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.noted()
	return n, err
}

// Write writes, and notes that the connection is not silent.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.noted()
	return n, err
}

func (c *Conn) noted() {
	if c.listener.opt.Crowd { // nobody asks elsewhere
		c.active.Store(time.Now().UnixNano())
	}
}

// makeRoom takes the connection out that is to be closed for a new one: of the source that has most, the one that was silent longest. So who opens
// connections without end closes his own. It needs l.mu, and the caller closes the connection.
func (l *Stamped) makeRoom() *Conn {
	many := map[string]int{}
	for c := range l.open {
		many[c.source]++
	}
	var out *Conn
	for c := range l.open {
		if out == nil || many[c.source] > many[out.source] || many[c.source] == many[out.source] && c.active.Load() < out.active.Load() {
			out = c
		}
	}
	l.drop(out)
	return out
}

// Revealed wraps a listener over a Stamped one whose connections know who calls only once they are read from, as those of the PROXY protocol: the
// connection below is told then.
func Revealed(lis net.Listener) net.Listener { return revealing{lis} }

type revealing struct{ net.Listener }

func (l revealing) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &revealed{Conn: c}, nil
}

type revealed struct {
	net.Conn
	once sync.Once
}

// NetConn is the connection below, as that of TLS has it.
func (r *revealed) NetConn() net.Conn { return r.Conn }

func (r *revealed) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.once.Do(func() {
		if c := below(r.Conn); c != nil {
			c.listener.mu.Lock()
			defer c.listener.mu.Unlock()
			c.source = Origin{Remote: r.RemoteAddr().String()}.Source()
		}
	})
	return n, err
}
