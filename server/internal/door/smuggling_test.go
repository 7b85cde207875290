package door_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/server/internal/door"
)

// recorder is an upstream that notes the bytes it gets on each connection and answers every request in them.
type recorder struct {
	mu    sync.Mutex // guards all below
	conns []*bytes.Buffer
}

func record(t testing.TB) (r *recorder, address string) {
	t.Helper()
	r = &recorder{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			seen := &bytes.Buffer{}
			r.mu.Lock()
			r.conns = append(r.conns, seen)
			r.mu.Unlock()
			go r.answer(c, seen)
		}
	}()
	return r, l.Addr().String()
}

// notes takes bytes as they come.
type notes struct {
	r    *recorder
	seen *bytes.Buffer
}

func (n notes) Write(p []byte) (int, error) {
	n.r.mu.Lock()
	defer n.r.mu.Unlock()
	return n.seen.Write(p)
}

func (r *recorder) answer(c net.Conn, seen *bytes.Buffer) {
	defer c.Close()
	in := bufio.NewReader(io.TeeReader(c, notes{r, seen}))
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			return
		}
	}
}

// take answers what came since the last time, by connection.
func (r *recorder) take() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		if c.Len() > 0 {
			out = append(out, c.String())
			c.Reset()
		}
	}
	return out
}

// unambiguous tells why any two readers of HTTP could part what was sent to an upstream into different requests, or take a
// claim of the caller's for the door's.
func unambiguous(sent string) error {
	in := bufio.NewReader(strings.NewReader(sent))
	for {
		head := ""
		for !strings.HasSuffix(head, "\r\n\r\n") {
			line, err := in.ReadString('\n')
			if err == io.EOF && head+line == "" {
				return nil
			}
			if err != nil || !strings.HasSuffix(line, "\r\n") || strings.Count(line, "\r") != 1 || strings.ContainsRune(line, 0) {
				return fmt.Errorf("the line %q", line)
			}
			if head != "" && strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
				return fmt.Errorf("the folded line %q", line)
			}
			head += line
		}
		lengths, encodings, from := 0, 0, 0
		for line := range strings.SplitSeq(strings.ToLower(head), "\r\n") {
			name, value, _ := strings.Cut(line, ":")
			switch {
			case name == "content-length":
				lengths++
			case name == "transfer-encoding":
				if encodings++; strings.TrimSpace(value) != "chunked" {
					return fmt.Errorf("%q", line)
				}
			case strings.TrimRight(name, " \t") != name || strings.HasPrefix(strings.ReplaceAll(name, "_", "-"), "x-forwarded-for") && name != "x-forwarded-for":
				return fmt.Errorf("%q", line)
			case name == "x-forwarded-for":
				from++
			}
			if strings.HasPrefix(name, "x") && strings.Contains(name, "forwarded") && strings.Contains(value, "6.6.6.6") {
				return fmt.Errorf("the claim %q", line)
			}
		}
		if lengths+encodings > 1 || from != 1 {
			return fmt.Errorf("%d lengths, %d encodings, %d callers in %q", lengths, encodings, from, head)
		}
		req, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(head), in)))
		if err != nil {
			return err
		}
		body, err := io.ReadAll(req.Body)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil // the door gave up within a body; whatever reads this knows that it is not whole
		}
		if err != nil {
			return err
		}
		if strings.Contains(fmt.Sprint(req.Trailer), "6.6.6.6") {
			return fmt.Errorf("the claim behind the body %v", req.Trailer)
		}
		if lengths > 0 { // the reader above may have taken more than the body
			_, rest, _ := strings.Cut(sent, "\r\n\r\n")
			sent = rest[len(body):]
			in = bufio.NewReader(strings.NewReader(sent))
			continue
		}
		if encodings > 0 {
			return nil // what follows chunks was read by the library; the door makes them itself
		}
		_, sent, _ = strings.Cut(sent, "\r\n\r\n")
		in = bufio.NewReader(strings.NewReader(sent))
	}
}

// Requests that two readers could understand in two ways are refused, or come to a service in the one way the door read them.
func TestNoRequestIsSmuggled(t *testing.T) {
	t.Parallel()
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
	const last = "GET /last HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n" // has the door end the connection
	post := func(header, body string) string {
		return "POST /first HTTP/1.1\r\nHost: a.test\r\n" + header + "\r\n" + body
	}
	length := fmt.Sprintf("Content-Length: %d\r\n", len(smuggled))
	for name, k := range map[string]struct {
		sent    string
		refused bool // or else read in one way
	}{
		"CL.TE":                         {post(length+"Transfer-Encoding: chunked\r\n", "0\r\n\r\n"+smuggled), false},
		"TE.CL":                         {post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled)), false},
		"TE.TE, one unknown":            {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", "0\r\n\r\n"+smuggled), true},
		"TE.TE, twice":                  {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+smuggled), true},
		"TE with a list":                {post("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n"+smuggled), true},
		"TE unknown":                    {post(length+"Transfer-Encoding: xchunked\r\n", smuggled), true},
		"TE with a blank before colon":  {post(length+"Transfer-Encoding : chunked\r\n", "0\r\n\r\n"+smuggled), true},
		"TE with a tab":                 {post(length+"Transfer-Encoding:\tchunked\r\n", "0\r\n\r\n"+smuggled), false},
		"TE with a vertical tab":        {post(length+"Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"+smuggled), true},
		"TE under HTTP/1.0":             {"POST /first HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n" + length + "\r\n0\r\n\r\n" + smuggled, false},
		"two lengths":                   {post("Content-Length: 0\r\n"+length, smuggled), true},
		"the same length twice":         {post("Content-Length: 2\r\nContent-Length: 2\r\n", "ab"), false},
		"a list of lengths":             {post("Content-Length: 2, 2\r\n", "ab"), true},
		"a length with a sign":          {post("Content-Length: +2\r\n", "ab"), true},
		"a length in hexadecimal":       {post("Content-Length: 0x2\r\n", "ab"), true},
		"a negative length":             {post("Content-Length: -1\r\n", "ab"), true},
		"a length too large":            {post("Content-Length: 99999999999999999999\r\n", "ab"), true},
		"a chunk with a sign":           {post("Transfer-Encoding: chunked\r\n", "+2\r\nab\r\n0\r\n\r\n"), true},
		"a chunk that ends elsewhere":   {post("Transfer-Encoding: chunked\r\n", "2\r\nabcd\r\n0\r\n\r\n"+smuggled), true},
		"a chunk with a bare line feed": {post("Transfer-Encoding: chunked\r\n", "2;a\nab\r\n0\r\n\r\n"), true},
		"a folded line":                 {post("X-A: b\r\n X-Forwarded-For: 6.6.6.6\r\nContent-Length: 0\r\n", ""), false},
		"a folded encoding":             {post("Transfer-Encoding:\r\n chunked\r\n"+length, "0\r\n\r\n"+smuggled), false},
		"bare line feeds":               {strings.ReplaceAll(post("Content-Length: 2\r\n", "ab"), "\r\n", "\n"), false},
		"a bare return":                 {post("X-A: b\rX-Forwarded-For: 6.6.6.6\r\nContent-Length: 0\r\n", ""), true},
		"a zero in a value":             {post("X-A: b\x00c\r\nContent-Length: 0\r\n", ""), true},
		"a line without a colon":        {post("Smuggled\r\nContent-Length: 0\r\n", ""), true},
		"a first line that is folded":   {"GET / HTTP/1.1\r\n Host: a.test\r\n\r\n", true},
		"two hosts":                     {"GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", true},
		"a claim with an underscore":    {post("X_Forwarded_For: 6.6.6.6\r\nContent-Length: 0\r\n", ""), false},
		"a claim named for the way":     {post("Connection: X-Forwarded-For\r\nX-Forwarded-For: 6.6.6.6\r\nContent-Length: 0\r\n", ""), false},
		"a claim behind the body":       {post("Transfer-Encoding: chunked\r\nTrailer: X-Forwarded-For\r\n", "2\r\nab\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"), false},
		"a body of GET":                 {"GET /first HTTP/1.1\r\nHost: a.test\r\n" + length + "\r\n" + smuggled, false},
		"a change to h2c":               {"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", false},
		"the preface of HTTP/2":         {http2.ClientPreface, true},
		"CONNECT":                       {"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n", false},
		"two after each other":          {post("Content-Length: 2\r\n", "ab") + smuggled, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream, address := record(t)
			r := newRig(t, door.Options{})
			at := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: address, Http: true, Alpn: []string{"http/1.1"}}))["tcp "+tlsAddress]
			c, err := tls.Dial("tcp", at, r.config("a.test", "http/1.1"))
			must(t, err)
			defer c.Close()
			must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
			_, err = io.WriteString(c, k.sent+last)
			must(t, err)
			heard, _ := io.ReadAll(c)
			status, _, _ := strings.Cut(string(heard), "\r\n")
			sent := upstream.take()
			for _, s := range sent {
				if err := unambiguous(s); err != nil {
					t.Errorf("the service got %q: %v", s, err)
				}
			}
			if refused := status == "" || strings.HasPrefix(status, "HTTP/1.1 4") || strings.HasPrefix(status, "HTTP/1.1 5"); refused != k.refused {
				t.Errorf("the answer is %q; the service got %q", status, sent)
			}
		})
	}
}

// What HTTP/2 forbids, or what would be another request once it is written as HTTP/1.1, is refused or comes in one way.
func TestNoRequestIsSmuggledByHTTP2(t *testing.T) {
	t.Parallel()
	type field = hpack.HeaderField
	usual := []field{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: "a.test"}, {Name: ":path", Value: "/first"}}
	with := func(fields ...field) []field { return append(slices.Clone(usual), fields...) }
	instead := func(name, value string) []field {
		out := slices.Clone(usual)
		for i := range out {
			if out[i].Name == name {
				out[i].Value = value
			}
		}
		return out
	}
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
	for name, fields := range map[string][]field{
		"plain":                            with(),
		"connection":                       with(field{Name: "connection", Value: "close"}),
		"transfer-encoding":                with(field{Name: "transfer-encoding", Value: "chunked"}),
		"upgrade":                          with(field{Name: "upgrade", Value: "h2c"}),
		"keep-alive":                       with(field{Name: "keep-alive", Value: "timeout=5"}),
		"te":                               with(field{Name: "te", Value: "chunked"}),
		"a length that is too small":       with(field{Name: "content-length", Value: "0"}),
		"a length that is too large":       with(field{Name: "content-length", Value: "9999"}),
		"two lengths":                      with(field{Name: "content-length", Value: "2"}, field{Name: "content-length", Value: "3"}),
		"a line in a value":                with(field{Name: "x-a", Value: "b\r\nTransfer-Encoding: chunked"}),
		"a request in a value":             with(field{Name: "x-a", Value: "b\r\n\r\n" + smuggled}),
		"a line in a name":                 with(field{Name: "x-a: b\r\nx-c", Value: "d"}),
		"a colon in a name":                with(field{Name: "transfer-encoding:", Value: "chunked"}),
		"a blank in a name":                with(field{Name: "transfer-encoding ", Value: "chunked"}),
		"an upper-case name":               with(field{Name: "Transfer-Encoding", Value: "chunked"}),
		"an empty name":                    with(field{Name: "", Value: "x"}),
		"a zero in a value":                with(field{Name: "x-a", Value: "b\x00"}),
		"a request in the method":          instead(":method", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\nGET"),
		"a request in the path":            instead(":path", "/ HTTP/1.1\r\nHost: a.test\r\n\r\n"+smuggled),
		"a blank in the path":              instead(":path", "/a HTTP/1.1"),
		"a path without a slash":           instead(":path", "first"),
		"a line in the host":               instead(":authority", "a.test\r\nX-Forwarded-For: 6.6.6.6"),
		"a line in the scheme":             instead(":scheme", "https\r\nX-A: b"),
		"a second path":                    with(field{Name: ":path", Value: "/smuggled"}),
		"a pseudo-field that nobody knows": with(field{Name: ":x", Value: "y"}),
		"a pseudo-field after the others":  append([]field{{Name: "x-a", Value: "b"}}, usual...),
		"a host beside the authority":      with(field{Name: "host", Value: "b.test"}),
		"a claim":                          with(field{Name: "x-forwarded-for", Value: "6.6.6.6"}),
		"a claim with an underscore":       with(field{Name: "x_forwarded_for", Value: "6.6.6.6"}),
		"our cookie in pieces":             with(field{Name: "cookie", Value: "a=1"}, field{Name: "cookie", Value: "__Host-hearth-ab=6.6.6.6"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream, address := record(t)
			r := newRig(t, door.Options{})
			at := r.apply(t, r.table(&doorv1.Route{Certificate: "all", Upstream: address, Http: true, Alpn: []string{"h2"}}))["tcp "+tlsAddress]
			c, err := tls.Dial("tcp", at, r.config("a.test", "h2"))
			must(t, err)
			defer c.Close()
			must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
			ended := sendHTTP2(t, c, fields, smuggled)
			for _, s := range upstream.take() {
				if err := unambiguous(s); err != nil {
					t.Errorf("the service got %q: %v", s, err)
				}
			}
			if name == "plain" && ended != "200" {
				t.Errorf("a request with nothing wrong ends with %s", ended)
			}
		})
	}
}

// sendHTTP2 sends one request with a body on a connection and answers how it ended: with a status, or an error of HTTP/2.
func sendHTTP2(t *testing.T, c net.Conn, fields []hpack.HeaderField, body string) string {
	t.Helper()
	_, err := io.WriteString(c, http2.ClientPreface)
	must(t, err)
	f := http2.NewFramer(c, c)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	must(t, f.WriteSettings())
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, h := range fields {
		must(t, e.WriteField(h))
	}
	must(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}))
	_ = f.WriteData(1, true, []byte(body))
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return err.Error()
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			return frame.PseudoValue("status")
		case *http2.RSTStreamFrame:
			return frame.ErrCode.String()
		case *http2.GoAwayFrame:
			return frame.ErrCode.String()
		}
	}
}
