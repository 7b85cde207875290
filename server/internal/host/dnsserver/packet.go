package dnsserver

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
)

const (
	// batch is how many packets are read, and answered, by one call of the kernel.
	batch = 32
	// maxReaders bounds those who read one socket.
	maxReaders = 4
	// headerSize is the least a packet of DNS has; its first idSize bytes are the caller's number for the question.
	headerSize, idSize = 12, 2
	// maxLasting and maxLastingSize bound the answers that a reader keeps, in number, and in bytes of a question.
	maxLasting, maxLastingSize = 256, 96
)

// ServePacket answers on a UDP socket until ctx ends, then finishes what it has begun and closes the socket. It returns
// nil after ctx ended.
//
// What is known here is answered at once by who read it, many packets in one call: so questions of others are read while somebody
// floods the socket. Only what others have to be asked for has a goroutine.
func (s *Server) ServePacket(ctx context.Context, pc net.PacketConn) error {
	defer s.own(pc.LocalAddr())()
	defer pc.Close()
	// Only reading ends with ctx: what is under way is still answered.
	stop := context.AfterFunc(ctx, func() { _ = pc.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	p := &packets{server: s, socket: pc, calls: ipv4.NewPacketConn(pc), questions: context.WithoutCancel(ctx)}
	ended := make(chan error, maxReaders)
	readers := min(maxReaders, runtime.GOMAXPROCS(0))
	for range readers {
		go func() { ended <- p.read() }()
	}
	err := <-ended
	_ = pc.SetReadDeadline(time.Unix(1, 0))
	for range readers - 1 {
		<-ended
	}
	patience := time.AfterFunc(drain, func() { pc.Close() })
	p.asking.Wait()
	patience.Stop()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("cannot go on answering on %s: %w", pc.LocalAddr(), err)
}

// packets is a socket that is answered on.
type packets struct {
	server    *Server
	socket    net.PacketConn
	calls     *ipv4.PacketConn // the same for many packets at once, also of IPv6
	questions context.Context  // what is under way when serving ends is still answered
	asking    sync.WaitGroup
}

// read answers until reading fails, which it does when serving ends.
func (p *packets) read() error {
	in, out := make([]ipv4.Message, batch), make([]ipv4.Message, 0, batch)
	answers, kept := make([][]byte, batch), lasting{}
	for i := range in {
		in[i].Buffers = [][]byte{make([]byte, udpSize)}
		answers[i] = make([]byte, udpSize)
	}
	for {
		n, err := p.calls.ReadBatch(in, 0)
		if err != nil {
			return err
		}
		out = out[:0]
		for i := range in[:n] {
			if b := p.answer(in[i].Buffers[0][:in[i].N], in[i].Addr, answers[i], &kept); b != nil {
				out = append(out, ipv4.Message{Buffers: [][]byte{b}, Addr: in[i].Addr})
			}
		}
		for rest := out; len(rest) > 0; {
			sent, err := p.calls.WriteBatch(rest, 0)
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			rest = rest[max(sent, 1):] // one that cannot be sent is lost, as any network may lose it
		}
	}
}

// lasting are answers that follow from the table, the source and the question alone, as they were sent: most callers ask for the
// same few names. Each reader has its own.
type lasting struct {
	table   *table
	answers map[lastingKey][]byte
}

type lastingKey struct {
	source   netip.Addr
	question [maxLastingSize]byte // the packet without the caller's number
	length   int
}

// key is the key of a packet; ok is false for one that is too long.
func (l *lasting) key(t *table, source netip.Addr, packet []byte) (k lastingKey, ok bool) {
	if l.table != t {
		l.table, l.answers = t, make(map[lastingKey][]byte)
	}
	k.source, k.length = source, copy(k.question[:], packet[idSize:])
	return k, len(packet) <= idSize+maxLastingSize
}

// keep keeps an answer. Where there are too many all are forgotten: whoever asks for ever new names gains nothing by them.
func (l *lasting) keep(k lastingKey, answer []byte) {
	if len(l.answers) >= maxLasting {
		clear(l.answers)
	}
	l.answers[k] = bytes.Clone(answer)
}

// answer answers a packet in buf, if that can be done at once.
func (p *packets) answer(packet []byte, from net.Addr, buf []byte, kept *lasting) []byte {
	udp, ok := from.(*net.UDPAddr)
	if !ok || len(packet) < headerSize || accept(headerOf(packet)) != dns.MsgAccept {
		return nil
	}
	source, _ := netip.AddrFromSlice(udp.IP)
	source = source.Unmap()
	t := p.server.table.Load()
	key, short := kept.key(t, source, packet)
	if have := kept.answers[key]; short && have != nil {
		return append(append(buf[:0], packet[:idSize]...), have[idSize:]...)
	}
	req := new(dns.Msg)
	if req.Unpack(packet) != nil {
		return nil
	}
	m, ask := p.server.considerBy(t, req, source, false)
	if ask != nil {
		p.asking.Go(func() {
			if b := packed(ask(p.questions), nil); b != nil {
				_, _ = p.socket.WriteTo(b, udp)
			}
		})
		return nil
	}
	b := packed(m, buf)
	if short && b != nil && m.Authoritative { // what is not is somebody else's, and ages
		kept.keep(key, b)
	}
	return b
}

// packed is a message as it is sent; nil where there is none.
func packed(m *dns.Msg, buf []byte) []byte {
	if m == nil {
		return nil
	}
	b, err := m.PackBuffer(buf)
	if err != nil {
		return nil
	}
	return b
}

func headerOf(packet []byte) dns.Header {
	word := func(i int) uint16 { return binary.BigEndian.Uint16(packet[2*i:]) }
	return dns.Header{Id: word(0), Bits: word(1), Qdcount: word(2), Ancount: word(3), Nscount: word(4), Arcount: word(5)}
}
