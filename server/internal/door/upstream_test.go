package door_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/server/internal/door"
)

// scripted is an upstream that does with each request what it is told; it counts its connections.
func scripted(t *testing.T, serve func(c net.Conn, path string, nth int) (keep bool)) (at string, conns *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	conns = new(atomic.Int64)
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			all.Go(func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for nth := 0; ; nth++ {
					r, err := http.ReadRequest(in)
					if err != nil || !serve(c, r.URL.Path, nth) {
						return
					}
				}
			})
		}
	})
	return l.Addr().String(), conns
}

// newFetched is a door before an upstream, and a caller of it.
func newFetched(t *testing.T, upstream string) *http.Client {
	t.Helper()
	r := newRig(t, door.Options{})
	at := r.apply(t, r.table(&doorv1.Route{Names: []string{"a.test"}, Certificate: "all", Upstream: upstream, Http: true, Alpn: []string{"http/1.1"}}))["tcp "+tlsAddress]
	c := r.client(at, "a.test", false)
	c.Timeout = 20 * time.Second
	return c
}

func gets(t *testing.T, c *http.Client, path string) (status int, body string, trailer http.Header) {
	t.Helper()
	resp, err := c.Get("https://a.test" + path)
	must(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(b), resp.Trailer
}

// whole is an answer.
const whole = "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"

func TestConnectionsToServicesAreUsedAgain(t *testing.T) {
	t.Parallel()
	up, conns := scripted(t, func(c net.Conn, path string, _ int) bool {
		switch path {
		case "/chunked":
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n4\r\nabcd\r\n0\r\nSum: 7\r\n\r\n")
		case "/nothing":
			_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		case "/early":
			_, _ = fmt.Fprintf(c, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"+whole, 5, "after")
		default:
			_, _ = fmt.Fprintf(c, whole, len(path), path)
		}
		return true
	})
	c := newFetched(t, up)
	for range 3 {
		if status, body, _ := gets(t, c, "/a"); status != 200 || body != "/a" {
			t.Errorf("%d %q", status, body)
		}
		if status, body, trailer := gets(t, c, "/chunked"); status != 200 || body != "abcd" || trailer.Get("Sum") != "7" {
			t.Errorf("%d %q, trailer %v", status, body, trailer)
		}
		if status, body, _ := gets(t, c, "/nothing"); status != 204 || body != "" {
			t.Errorf("%d %q", status, body)
		}
		if status, body, _ := gets(t, c, "/early"); status != 200 || body != "after" {
			t.Errorf("%d %q", status, body)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("one request after the other took %d connections", n)
	}
}

// A service may close a connection that it has answered on; a request that meets that is sent again.
func TestARequestThatMeetsAClosingConnectionIsSentAgain(t *testing.T) {
	t.Parallel()
	up, conns := scripted(t, func(c net.Conn, path string, nth int) bool {
		if nth > 0 {
			return false // took the request, and is gone without a word
		}
		_, _ = fmt.Fprintf(c, whole, len(path), path)
		return true
	})
	c := newFetched(t, up)
	for i := range 5 {
		if status, body, _ := gets(t, c, "/a"); status != 200 || body != "/a" {
			t.Errorf("request %d: %d %q", i, status, body)
		}
	}
	if n := conns.Load(); n != 5 {
		t.Errorf("%d connections", n)
	}
}

// What a service says beyond its answer is nobody's answer.
func TestWhatFollowsAnAnswerIsGivenToNobody(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"at once": false, "later": true} {
		read, said := make(chan struct{}, 16), make(chan struct{}, 16)
		up, _ := scripted(t, func(c net.Conn, path string, _ int) bool {
			stray := fmt.Sprintf(whole, 5, "stray")
			if !late {
				_, _ = fmt.Fprintf(c, whole+"%s", len(path), path, stray)
				return true
			}
			_, _ = fmt.Fprintf(c, whole, len(path), path)
			<-read
			_, _ = io.WriteString(c, stray)
			said <- struct{}{}
			return true
		})
		c := newFetched(t, up)
		for range 5 {
			if status, body, _ := gets(t, c, "/a"); status != 200 || body != "/a" {
				t.Errorf("%s: %d %q", name, status, body)
			}
			if late {
				read <- struct{}{}
				<-said
			}
		}
	}
}

func TestAnswersThatAreNoneAreToldAsSuch(t *testing.T) {
	t.Parallel()
	up, _ := scripted(t, func(c net.Conn, path string, _ int) bool {
		switch path {
		case "/noise":
			_, _ = io.WriteString(c, "noise\r\n\r\n")
		case "/long":
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20)+"\r\nContent-Length: 0\r\n\r\n")
		case "/switch":
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		case "/never":
			_, _ = io.WriteString(c, strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 100))
		}
		return false
	})
	c := newFetched(t, up)
	for _, path := range []string{"/noise", "/long", "/switch", "/never", "/gone"} {
		if status, _, _ := gets(t, c, path); status != http.StatusBadGateway {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// A caller that goes takes the connection to the service with it, and an answer that breaks is seen to be broken.
func TestWhoGoesEndsTheRequestAtTheService(t *testing.T) {
	t.Parallel()
	gone := make(chan error, 1)
	up, _ := scripted(t, func(c net.Conn, path string, _ int) bool {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun")
		if path == "/waits" {
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			_, err := c.Read(make([]byte, 1))
			gone <- err
		}
		return false
	})
	c := newFetched(t, up)
	resp, err := c.Get("https://a.test/waits")
	must(t, err)
	if _, err := io.ReadFull(resp.Body, make([]byte, 5)); err != nil {
		t.Error(err)
	}
	resp.Body.Close()
	if err := <-gone; err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the service is left with its connection: %v", err)
	}
	resp, err = c.Get("https://a.test/breaks")
	must(t, err)
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("half an answer passes for a whole one: %q", b)
	}
}
