package door_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/server/internal/door"
)

// frames begins HTTP/2 on a connection and answers what writes frames to it.
func frames(c net.Conn) (*http2.Framer, error) {
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		return nil, err
	}
	f := http2.NewFramer(c, c)
	return f, f.WriteSettings()
}

// fields packs the header of a request, with more.
func fields(method, path string, more ...hpack.HeaderField) []byte {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	usual := []hpack.HeaderField{{Name: ":method", Value: method}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: "a.test"}, {Name: ":path", Value: path}}
	for _, h := range append(usual, more...) {
		_ = e.WriteField(h) // into memory
	}
	return block.Bytes()
}

// request writes a header, in as many frames as it takes.
func request(f *http2.Framer, stream uint32, block []byte, whole bool) error {
	const most = 16 << 10
	first, rest := block[:min(len(block), most)], block[min(len(block), most):]
	err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: whole, EndHeaders: len(rest) == 0})
	for err == nil && len(rest) > 0 {
		n := min(len(rest), most)
		err = f.WriteContinuation(stream, n == len(rest), rest[:n])
		rest = rest[n:]
	}
	return err
}

// Requests that a service does not answer take memory that is bounded, for each caller and for all; others are told to come again, and are served when they do.
func TestRequestsUnderWayAreBounded(t *testing.T) {
	t.Parallel()
	const connections, streams = 2, 100
	const each, most = 30 << 10, 4 << 20 // a caller may have a quarter of it
	var arrived, refused atomic.Int64
	answer := make(chan struct{})
	page := site(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-A") != "" {
			arrived.Add(1)
			<-answer
		}
	})
	r := newRig(t, door.Options{Limits: door.Limits{Held: most}})
	at := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: page, Http: true, Alpn: []string{"h2", "http/1.1"}}))["tcp "+tlsAddress]
	block := fields(http.MethodGet, "/", hpack.HeaderField{Name: "x-a", Value: strings.Repeat("b", each), Sensitive: true})
	told := make(chan string, connections*streams)
	var wg sync.WaitGroup
	defer wg.Wait() // when the connections are closed
	for range connections {
		c, err := tls.Dial("tcp", at, r.config("a.test", "h2"))
		must(t, err)
		defer c.Close()
		must(t, c.SetDeadline(time.Now().Add(time.Minute)))
		f, err := frames(c)
		must(t, err)
		wg.Go(func() {
			f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
			for {
				frame, err := f.ReadFrame()
				if err != nil {
					return
				}
				if h, ok := frame.(*http2.MetaHeadersFrame); ok {
					told <- h.PseudoValue("status")
				}
			}
		})
		for n := range streams {
			must(t, request(f, uint32(2*n+1), block, true))
		}
	}
	limit := int64(most / 4 / each)
	for refused.Load() < connections*streams-limit {
		select {
		case status := <-told:
			if status != "503" {
				t.Errorf("a request that is too much is answered with %s", status)
			}
			refused.Add(1)
		case <-time.After(30 * time.Second):
			t.Fatalf("%d requests are with the service, %d were refused", arrived.Load(), refused.Load())
		}
	}
	if n := arrived.Load(); n > limit {
		t.Errorf("%d requests of %d KiB are with the service", n, each>>10)
	}
	visitor := &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: r.config("a.test"),
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return attacker(1).DialContext(ctx, network, at)
		},
	}}
	status := func(c *http.Client) int {
		resp, err := c.Get("https://a.test/")
		must(t, err)
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := status(visitor); got != http.StatusOK {
		t.Errorf("another caller is answered with %d", got)
	}
	close(answer)
	for range connections*streams - refused.Load() {
		<-told
	}
	if got := status(r.client(at, "a.test", true)); got != http.StatusOK {
		t.Errorf("after that the caller is answered with %d", got)
	}
}

// Who takes back most of what he asks for is cut off, since each such request costs the service a connection; who does it now and then, as browsers do, is not.
func TestWhoTakesBackMostRequestsIsCutOff(t *testing.T) {
	t.Parallel()
	slow := site(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
		}
	})
	r := newRig(t, door.Options{})
	at := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: slow, Http: true, Alpn: []string{"h2"}}))["tcp "+tlsAddress]
	for name, k := range map[string]struct {
		rest int // requests that are not taken back, for each that is
		cut  bool
	}{"most": {0, true}, "some": {2, false}} {
		t.Run(name, func(t *testing.T) {
			c, err := tls.Dial("tcp", at, r.config("a.test", "h2"))
			must(t, err)
			defer c.Close()
			must(t, c.SetDeadline(time.Now().Add(time.Minute)))
			f, err := frames(c)
			must(t, err)
			f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
			answered := func(stream uint32) error {
				must(t, request(f, stream, fields(http.MethodGet, "/"), true))
				for {
					frame, err := f.ReadFrame()
					if err != nil {
						return err
					}
					if h, ok := frame.(*http2.MetaHeadersFrame); ok && h.StreamID == stream {
						return nil
					}
				}
			}
			withdrawn := 0
			for stream := uint32(1); withdrawn < 2000; stream += 2 {
				for range k.rest {
					must(t, answered(stream))
					stream += 2
				}
				err = request(f, stream, fields(http.MethodGet, "/slow"), true)
				if err == nil {
					err = f.WriteRSTStream(stream, http2.ErrCodeCancel)
				}
				if stream += 2; err == nil && withdrawn%10 == 0 {
					err = answered(stream) // the door has come this far
				}
				if err != nil {
					break
				}
				withdrawn++
			}
			if cut := err != nil; cut != k.cut {
				t.Errorf("after %d requests that were taken back: cut off is %t, %v", withdrawn, cut, err)
			}
		})
	}
}

// What callers do with the frames of HTTP/2 keeps nobody else from being served. It has the processors to itself, as TestOthersAreServedDuringAbuse.
func TestOthersAreServedDuringAbuseOfFrames(t *testing.T) {
	if testing.Short() {
		t.Skip("the fast lane leaves the processors to others")
	}
	get := fields(http.MethodGet, "/")
	for name, abuse := range map[string]func(f *http2.Framer, next func() uint32) error{
		"requests that are taken back at once": func(f *http2.Framer, next func() uint32) error {
			stream := next()
			if err := request(f, stream, get, true); err != nil {
				return err
			}
			return f.WriteRSTStream(stream, http2.ErrCodeCancel)
		},
		"a header without end": func(f *http2.Framer, next func() uint32) error {
			stream := next()
			err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: get})
			for piece := bytes.Repeat([]byte{0x00, 0x01, 'a', 0x01, 'b'}, 3000); err == nil; {
				err = f.WriteContinuation(stream, false, piece)
			}
			return err
		},
		"a header of nothing without end": func(f *http2.Framer, next func() uint32) error {
			stream := next()
			err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: get})
			for err == nil {
				err = f.WriteContinuation(stream, false, nil)
			}
			return err
		},
		"a header that unfolds": func(f *http2.Framer, next func() uint32) error { // one field of 4 KiB, named ten thousand times
			var block bytes.Buffer
			e := hpack.NewEncoder(&block)
			_, _ = block.Write(get)
			if err := e.WriteField(hpack.HeaderField{Name: "x-a", Value: strings.Repeat("b", 3900)}); err != nil {
				return err
			}
			_, _ = block.Write(bytes.Repeat([]byte{0x80 | 62}, 10_000))
			return request(f, next(), block.Bytes(), true)
		},
		"pings": func(f *http2.Framer, _ func() uint32) error {
			return f.WritePing(false, [8]byte{})
		},
		"settings": func(f *http2.Framer, _ func() uint32) error {
			return f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
		},
		"priorities": func(f *http2.Framer, next func() uint32) error {
			return f.WritePriority(next(), http2.PriorityParam{StreamDep: 1, Weight: 7})
		},
		"bodies of nothing": func(f *http2.Framer, next func() uint32) error {
			stream := next()
			if err := request(f, stream, fields(http.MethodPost, "/"), false); err != nil {
				return err
			}
			for range 1000 {
				if err := f.WriteData(stream, false, nil); err != nil {
					return err
				}
			}
			return nil
		},
		"answers that are not taken": func(f *http2.Framer, next func() uint32) error {
			if err := f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
				return err
			}
			return request(f, next(), get, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			besieged(t, func(ctx context.Context, wg *sync.WaitGroup, s *siege) {
				connections(ctx, wg, s.tls, 8, func(ctx context.Context, c net.Conn) {
					sec := tls.Client(c, s.config("a.test", "h2"))
					if sec.HandshakeContext(ctx) != nil {
						return
					}
					f, err := frames(sec)
					go func() { _, _ = io.Copy(io.Discard, sec) }() // ends with the connection
					stream := uint32(0)
					next := func() uint32 { stream += 2; return stream - 1 }
					for end := time.Now().Add(5 * time.Second); err == nil && ctx.Err() == nil && time.Now().Before(end); {
						err = abuse(f, next)
					}
				})
			})
		})
	}
}
