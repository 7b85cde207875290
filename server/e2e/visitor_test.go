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
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// visitorEnv makes the test binary a visitor: a process on a machine that asks in a closed loop, each time once, until
// its standard input ends, and prints what failed and then how often it asked.
const visitorEnv = "HEARTH_E2E_VISITOR"

// patience is how long a visitor waits for one answer.
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

// visit asks until standard input ends.
func visit(kind string, args []string) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	ask, err := asker(kind, args)
	if err != nil {
		return err
	}
	asked, slowest := 0, time.Duration(0)
	pace := time.NewTicker(3 * time.Millisecond) // leaves the processors to those who answer
	defer pace.Stop()
	for ctx.Err() == nil {
		begin := time.Now()
		if err := ask(asked); err != nil {
			fmt.Printf("FAIL %s at %s after %s: %v\n", kind, begin.Format(time.StampMilli), time.Since(begin), err)
		}
		slowest = max(slowest, time.Since(begin))
		asked++
		<-pace.C
	}
	fmt.Printf("DONE %d %s\n", asked, slowest)
	return nil
}

func asker(kind string, args []string) (func(n int) error, error) {
	switch kind {
	case "page":
		return pageAsker(args[0], args[1], args[2])
	case "name":
		return nameAsker(args[0], args[1], args[2])
	}
	return nil, fmt.Errorf("there is no visitor %q", kind)
}

// pageAsker gets a page, every other time over a connection of its own, and wants a text in it.
func pageAsker(page, root, text string) (func(int) error, error) {
	pem, err := os.ReadFile(root)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no root certificate")
	}
	client := func(single bool) *http.Client {
		return &http.Client{Timeout: patience, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: single, ForceAttemptHTTP2: true,
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
func nameAsker(server, name, address string) (func(int) error, error) {
	clients := []*dns.Client{{Net: "udp", Timeout: patience}, {Net: "tcp", Timeout: patience}}
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
	out   *bufio.Scanner
}

// visit starts a visitor on the machine.
func (m *machine) visit(kind string, args ...string) *visitor {
	m.t.Helper()
	self, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	v := &visitor{kind: kind, cmd: m.command(self, args...)}
	v.cmd.Env = append(v.cmd.Env, visitorEnv+"="+kind)
	if v.stdin, err = v.cmd.StdinPipe(); err != nil {
		m.t.Fatal(err)
	}
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	v.out = bufio.NewScanner(out)
	if err := v.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	return v
}

// leave ends a visitor; every request of it must have been answered.
func (v *visitor) leave(t *testing.T) {
	t.Helper()
	_ = v.stdin.Close()
	done := ""
	failed := 0
	for v.out.Scan() {
		if line := v.out.Text(); strings.HasPrefix(line, "DONE ") {
			done = line
		} else if failed++; failed <= 10 {
			t.Errorf("visitor: %s", line)
		}
	}
	_ = v.cmd.Wait()
	var asked int
	var slowest string
	if n, _ := fmt.Sscanf(done, "DONE %d %s", &asked, &slowest); n != 2 || asked < 100 {
		t.Errorf("the visitor %s asked too little or died: %q", v.kind, done)
	}
	t.Logf("visitor %s: asked %d times, %d failed, the slowest answer took %s", v.kind, asked, failed, slowest)
}
