package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"
)

// visitorEnv makes the test binary a visitor: a process on a machine that asks in a closed loop, each time once, until
// its standard input ends, and prints what failed and then how often it asked.
const visitorEnv = "HEARTH_E2E_VISITOR"

// loopsEnv is how many loops a visitor asks in at once; patienceEnv is how long each waits for one answer.
const (
	loopsEnv    = "HEARTH_E2E_LOOPS"
	patienceEnv = "HEARTH_E2E_PATIENCE"
)

// askedAtLeast is how often a visitor must have asked for what it has seen to mean something; on a busy machine it is little more.
const askedAtLeast = 20

// patience is how long a visitor waits for one answer that must come.
const patience = 15 * time.Second

func TestMain(m *testing.M) {
	if kind := os.Getenv(visitorEnv); kind != "" {
		if err := visit(kind, os.Args[1:]); err != nil {
			fmt.Println("FAIL", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// visit asks until standard input ends; a scan ends by itself.
func visit(kind string, args []string) error {
	switch kind {
	case "scan":
		return scan(args[0], args[1:])
	case "hold":
		return hold(args, func(net.Conn) {})
	case "say":
		return say(args[0], args[1])
	case "datagrams":
		return answerDatagrams(args)
	case "tell":
		return tell(args[0], args[1])
	case "greet":
		return hold(args, func(c net.Conn) { fmt.Fprintln(c, c.RemoteAddr()) })
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	loops, err := strconv.Atoi(os.Getenv(loopsEnv))
	if err != nil {
		return err
	}
	wait, err := time.ParseDuration(os.Getenv(patienceEnv))
	if err != nil {
		return err
	}
	// One alone looks whether a service is away; many are a load. Both leave processors to those who answer.
	pace := 25 * time.Millisecond
	if loops > 1 {
		pace = 3 * time.Millisecond
	}
	var (
		group errgroup.Group
		mu    sync.Mutex // guards seen
		seen  visited
	)
	for range loops {
		group.Go(func() error {
			ask, err := asker(kind, args, wait)
			if err != nil {
				return err
			}
			one := askUntil(ctx, kind, pace, ask)
			mu.Lock()
			defer mu.Unlock()
			seen.asked, seen.slowest, seen.gap = seen.asked+one.asked, max(seen.slowest, one.slowest), max(seen.gap, one.gap)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	fmt.Printf("DONE %d %s %s\n", seen.asked, seen.slowest, seen.gap)
	return nil
}

// visited is what visitors have seen: how often they asked, how long the slowest answer took, and the longest time from an
// answer to the next one with a failure in between.
type visited struct {
	asked        int
	slowest, gap time.Duration
}

// askUntil asks in a closed loop until ctx ends, each time the pace after the time before at the soonest.
func askUntil(ctx context.Context, kind string, pace time.Duration, ask func(n int) error) (seen visited) {
	next := time.NewTicker(pace)
	defer next.Stop()
	failing, answered := false, time.Now()
	for ctx.Err() == nil {
		begin := time.Now()
		err := ask(seen.asked)
		now := time.Now()
		seen.slowest = max(seen.slowest, now.Sub(begin))
		seen.asked++
		switch {
		case err != nil:
			fmt.Printf("FAIL %s at %s after %s: %v\n", kind, begin.Format(time.StampMilli), now.Sub(begin), err)
			failing = true
		case failing:
			seen.gap = max(seen.gap, now.Sub(answered))
			failing, answered = false, now
		default:
			answered = now
		}
		<-next.C
	}
	if failing {
		seen.gap = max(seen.gap, time.Since(answered))
	}
	return seen
}

func asker(kind string, args []string, wait time.Duration) (func(n int) error, error) {
	switch kind {
	case "page":
		return pageAsker(args[0], args[1], args[2], wait)
	case "name":
		return nameAsker(args[0], args[1], args[2], wait)
	case "socket":
		return socketAsker(args[0], args[1], args[2], wait)
	}
	return nil, fmt.Errorf("there is no visitor %q", kind)
}

// trusting is the configuration of a client that trusts one root.
func trusting(root string) (*tls.Config, error) {
	pem, err := os.ReadFile(root)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no root certificate")
	}
	return &tls.Config{RootCAs: pool}, nil
}

// socketAsker sends words through a websocket and wants them back. A connection carries so many; 0 for all.
func socketAsker(page, root, words string, wait time.Duration) (func(int) error, error) {
	cfg, err := trusting(root)
	if err != nil {
		return nil, err
	}
	most, err := strconv.Atoi(words)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: cfg}}
	var open *websocket.Conn
	say := func(ctx context.Context, n int) (err error) {
		if open == nil {
			if open, _, err = websocket.Dial(ctx, page, &websocket.DialOptions{HTTPClient: client}); err != nil {
				return err
			}
		}
		word := fmt.Sprintf("word %d", n)
		if err := open.Write(ctx, websocket.MessageText, []byte(word)); err != nil {
			return err
		}
		_, got, err := open.Read(ctx)
		if err == nil && string(got) != word {
			err = fmt.Errorf("%q came back as %q", word, got)
		}
		return err
	}
	return func(n int) error {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		err := say(ctx, n)
		if open != nil && (err != nil || most > 0 && n%most == most-1) {
			_ = open.CloseNow()
			open = nil
		}
		return err
	}, nil
}

// pageAsker gets a page, every other time over a connection of its own, and wants a text in it.
func pageAsker(page, root, text string, wait time.Duration) (func(int) error, error) {
	cfg, err := trusting(root)
	if err != nil {
		return nil, err
	}
	client := func(single bool) *http.Client {
		return &http.Client{Timeout: wait, Transport: &http.Transport{
			TLSClientConfig: cfg.Clone(), DisableKeepAlives: single, ForceAttemptHTTP2: true,
		}}
	}
	clients := []*http.Client{client(false), client(true)}
	return func(n int) error {
		resp, err := clients[n%2].Get(page)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), text) {
			return fmt.Errorf("%s: %.200s", resp.Status, body)
		}
		return nil
	}, nil
}

// nameAsker resolves a name, over UDP and TCP in turn, and wants an address.
func nameAsker(server, name, address string, wait time.Duration) (func(int) error, error) {
	clients := []*dns.Client{{Net: "udp", Timeout: wait}, {Net: "tcp", Timeout: wait}}
	return func(n int) error {
		m := new(dns.Msg).SetQuestion(name, dns.TypeA)
		got, _, err := clients[n%2].Exchange(m, server)
		if err != nil {
			return err
		}
		for _, rr := range got.Answer {
			if a, ok := rr.(*dns.A); ok && a.A.Equal(net.ParseIP(address)) {
				return nil
			}
		}
		return fmt.Errorf("the answer is %v", got)
	}, nil
}

// visitor is a running visitor.
type visitor struct {
	kind  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	said  chan []string // all it said, once it has ended: it is read all the time, since a full pipe would stop it
}

// visit starts a visitor on the machine that asks in one loop and waits for each answer.
func (m *machine) visit(kind string, args ...string) *visitor {
	m.t.Helper()
	return m.visitors(1, patience, kind, args...)
}

// visitors is visit for so many loops, each of which waits so long for an answer.
func (m *machine) visitors(loops int, wait time.Duration, kind string, args ...string) *visitor {
	m.t.Helper()
	self, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	v := &visitor{kind: kind, cmd: m.command(self, args...)}
	v.cmd.Env = append(v.cmd.Env, visitorEnv+"="+kind, fmt.Sprintf("%s=%d", loopsEnv, loops), fmt.Sprintf("%s=%s", patienceEnv, wait))
	if v.stdin, err = v.cmd.StdinPipe(); err != nil {
		m.t.Fatal(err)
	}
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := v.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	v.said = make(chan []string, 1)
	go func() {
		var lines []string
		for in := bufio.NewScanner(out); in.Scan(); {
			lines = append(lines, in.Text())
		}
		v.said <- lines
	}()
	return v
}

// leave ends a visitor; every request of it must have been answered.
func (v *visitor) leave(t *testing.T) {
	t.Helper()
	_, failed := v.end(t)
	for _, line := range failed[:min(len(failed), 10)] {
		t.Errorf("visitor: %s", line)
	}
}

// end ends a visitor and answers what it has seen, with the requests that failed.
func (v *visitor) end(t *testing.T) (seen visited, failed []string) {
	t.Helper()
	_ = v.stdin.Close()
	done := ""
	for _, line := range <-v.said {
		if strings.HasPrefix(line, "DONE ") {
			done = line
		} else {
			failed = append(failed, line)
		}
	}
	_ = v.cmd.Wait()
	var slowest, gap string
	if n, _ := fmt.Sscanf(done, "DONE %d %s %s", &seen.asked, &slowest, &gap); n != 3 || seen.asked < askedAtLeast {
		t.Errorf("the visitor %s asked too little or died: %q", v.kind, done)
	}
	seen.slowest, _ = time.ParseDuration(slowest)
	seen.gap, _ = time.ParseDuration(gap)
	t.Logf("visitor %s: asked %d times, %d failed, the slowest answer took %s, away for at most %s", v.kind, seen.asked, len(failed), slowest, gap)
	return seen, failed
}
