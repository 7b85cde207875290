package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/hearthos/hearth/api/fault"
	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/server/internal/door/doorctl"
)

// TestMain lets the test program be the door: parent and worker are told by their flags.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "--run-dir") {
		main()
		return
	}
	os.Exit(m.Run())
}

const testUID = 61234

// install starts a door and returns the way to it.
func install(t *testing.T) (*doorctl.Door, doorctl.Options) {
	t.Helper()
	program, err := os.Executable()
	must(t, err)
	return installProgram(t, program)
}

func installProgram(t *testing.T, program string) (*doorctl.Door, doorctl.Options) {
	t.Helper()
	dir, err := os.MkdirTemp("", "door")
	must(t, err)
	must(t, os.Chmod(dir, 0o711))
	o := doorctl.Options{RunDir: dir, Program: program, UID: testUID, LogPath: filepath.Join(dir, "log")}
	t.Cleanup(func() {
		for _, pid := range pids(t, o) {
			_ = syscall.Kill(pid, syscall.SIGTERM)
		}
		for len(pids(t, o)) > 0 {
			time.Sleep(5 * time.Millisecond) // there is nothing to wait on: these are not our children, or reaped elsewhere
		}
		if t.Failed() {
			log, _ := os.ReadFile(o.LogPath)
			t.Logf("log of the door:\n%s", log)
		}
		os.RemoveAll(dir)
	})
	d, status, err := doorctl.Ensure(t.Context(), o)
	must(t, err)
	t.Cleanup(d.Close)
	if status.GetVersion() != version || status.GetDigest() != "" {
		t.Fatalf("a new door tells %v", status)
	}
	return d, o
}

// parentOf finds the parent process by its run folder.
func parentOf(t *testing.T, o doorctl.Options) int {
	t.Helper()
	for _, pid := range pids(t, o) {
		if !slices.Contains(cmdline(pid), "--worker") && !slices.Contains(cmdline(pid), "--standby") {
			return pid
		}
	}
	t.Fatal("the parent is not there")
	return 0
}

// standby waits for the process that takes over when the parent dies, another one than before.
func standby(t *testing.T, o doorctl.Options, of, before int) int {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); time.Sleep(time.Millisecond) {
		for _, pid := range pids(t, o) {
			args := cmdline(pid)
			if i := slices.Index(args, "--standby"); i > 0 && args[i+1] == strconv.Itoa(of) && pid != before {
				return pid
			}
		}
	}
	t.Fatal("there is no standby")
	return 0
}

// killParent kills the parent and who would take its place.
func killParent(t *testing.T, o doorctl.Options) {
	t.Helper()
	parent := parentOf(t, o)
	waits := standby(t, o, parent, 0)
	must(t, syscall.Kill(parent, syscall.SIGSTOP)) // it would start another standby
	must(t, syscall.Kill(waits, syscall.SIGKILL))
	must(t, syscall.Kill(parent, syscall.SIGKILL))
}

// workers lists the worker processes.
func workers(t *testing.T, o doorctl.Options) (out []int) {
	t.Helper()
	for _, pid := range pids(t, o) {
		if slices.Contains(cmdline(pid), "--worker") {
			out = append(out, pid)
		}
	}
	return out
}

func pids(t *testing.T, o doorctl.Options) (out []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	must(t, err)
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && slices.Contains(cmdline(pid), o.RunDir) {
			out = append(out, pid)
		}
	}
	return out
}

func cmdline(pid int) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.Split(string(b), "\x00")
}

func identity(t *testing.T) (*doorv1.Certificate, *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"a.test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	k, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(chain)
	return &doorv1.Certificate{Id: "c", Chain: chain, Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k})},
		&tls.Config{RootCAs: pool, ServerName: "a.test"}
}

// serve applies a table with a page and a name and returns where they are.
func serve(t *testing.T, d *doorctl.Door, extra ...*doorv1.Route) (page, names string, cfg *tls.Config) {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "hello %s", b)
	}))
	t.Cleanup(site.Close)
	cert, cfg := identity(t)
	resp, err := d.Apply(t.Context(), &doorv1.Table{
		Certificates: []*doorv1.Certificate{cert},
		Listeners: []*doorv1.Listener{{Address: "127.0.0.1:0", Routes: append([]*doorv1.Route{{
			Names: []string{"a.test"}, Certificate: "c", Upstream: site.Listener.Addr().String(), Http: true, Alpn: []string{"h2", "http/1.1"},
		}}, extra...)}},
		Resolver: &doorv1.Resolver{
			Addresses: []string{"127.0.0.2:0"}, Zones: []string{"startos"}, Records: []*doorv1.Record{{Name: "a.startos", Ipv4: []string{"10.0.3.2"}}},
		},
	})
	must(t, err)
	for _, s := range resp.GetSockets() {
		if s.GetError() != "" {
			t.Fatal(s)
		}
		switch s.GetAddress() {
		case "tcp 127.0.0.1:0":
			page = s.GetBound()
		case "udp 127.0.0.2:0":
			names = s.GetBound()
		}
	}
	return page, names, cfg
}

func client(addr string, cfg *tls.Config, http2, keepAlive bool) *http.Client {
	p := new(http.Protocols)
	p.SetHTTP1(!http2)
	p.SetHTTP2(http2)
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		TLSClientConfig: cfg.Clone(), Protocols: p, DisableKeepAlives: !keepAlive,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}}
}

func post(c *http.Client, body string) error {
	resp, err := c.Post("https://a.test/", "text/plain", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if string(got) != "hello "+body {
		return fmt.Errorf("got %d %q", resp.StatusCode, got)
	}
	return nil
}

func TestTheWorkerHasNoRights(t *testing.T) {
	t.Parallel()
	d, o := install(t)
	serve(t, d)
	if os.Geteuid() != 0 {
		t.Skip("needs root to give up root")
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", workers(t, o)[0]))
	must(t, err)
	id := strconv.Itoa(testUID)
	for _, want := range []string{
		"Uid:\t" + strings.Join([]string{id, id, id, id}, "\t"), "Gid:\t" + strings.Join([]string{id, id, id, id}, "\t"),
		"Groups:\t \n", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1",
	} {
		if !strings.Contains(string(status), want) {
			t.Errorf("the worker's status has no %q:\n%s", want, status)
		}
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", workers(t, o)[0]))
	must(t, err)
	for l := range strings.Lines(string(limits)) {
		if f := strings.Fields(l); strings.HasPrefix(l, "Max open files") && len(f[3]) < 5 {
			t.Errorf("the worker may open %s files", f[3])
		}
	}
	st, err := os.Stat(filepath.Join(o.RunDir, "door", "table"))
	must(t, err)
	if st.Mode().Perm() != 0o600 || st.Sys().(*syscall.Stat_t).Uid != testUID {
		t.Errorf("the table's file has mode %v, owner %d", st.Mode(), st.Sys().(*syscall.Stat_t).Uid)
	}
	st, err = os.Stat(filepath.Join(o.RunDir, "door.sock"))
	must(t, err)
	if st.Mode().Perm() != 0o600 || st.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("the daemon's socket has mode %v, owner %d", st.Mode(), st.Sys().(*syscall.Stat_t).Uid)
	}
}

// load asks in closed loops until stop: no failure is allowed but that of a request that was under way when the worker
// died, and never a refusal.
type load struct {
	wg               sync.WaitGroup
	stop             chan struct{}
	ok, cut, refused atomic.Int64
	how              sync.Map // what a failure looked like
}

func (l *load) run(ask func() error) {
	l.wg.Go(func() {
		for {
			select {
			case <-l.stop:
				return
			default:
			}
			switch err := ask(); {
			case err == nil:
				l.ok.Add(1)
			case strings.Contains(err.Error(), "refused"):
				l.refused.Add(1)
			default:
				l.cut.Add(1)
				l.how.Store(err.Error(), true)
			}
		}
	})
}

func startLoad(page, names string, cfg *tls.Config) *load {
	l := &load{stop: make(chan struct{})}
	for range 2 {
		alive, h2 := client(page, cfg, false, true), client(page, cfg, true, true)
		l.run(func() error { return post(alive, "x") })
		l.run(func() error { return post(client(page, cfg, false, false), "x") })
		l.run(func() error { return post(h2, "x") })
	}
	l.run(func() error {
		m := new(dns.Msg)
		m.SetQuestion("a.startos.", dns.TypeA)
		r, _, err := (&dns.Client{Timeout: 3 * time.Second}).Exchange(m, names)
		if err == nil && len(r.Answer) != 1 {
			err = fmt.Errorf("answer %v", r)
		}
		return err
	})
	return l
}

func (l *load) end() {
	close(l.stop)
	l.wg.Wait()
}

// progress waits until n more requests have succeeded.
func (l *load) progress(t *testing.T, n int64) {
	t.Helper()
	target := l.ok.Load() + n
	for deadline := time.Now().Add(20 * time.Second); l.ok.Load() < target; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("only %d of %d more requests were answered", n-(target-l.ok.Load()), n)
		}
	}
}

func TestAKilledWorkerIsReplacedWithinASecondAndNobodyIsRefused(t *testing.T) {
	t.Parallel()
	d, o := install(t)
	page, names, cfg := serve(t, d)
	l := startLoad(page, names, cfg)
	l.progress(t, 100)
	const kills = 5
	var slowest time.Duration
	for range kills {
		pid := workers(t, o)[0]
		at := time.Now()
		must(t, syscall.Kill(pid, syscall.SIGKILL))
		for post(client(page, cfg, false, false), "after") != nil { // one that the dying worker accepted is lost with it
			if time.Since(at) > 10*time.Second {
				t.Fatal("the door does not come back")
			}
		}
		slowest = max(slowest, time.Since(at))
		l.progress(t, 100)
	}
	l.end()
	t.Logf("%d answered, %d cut by %d kills, slowest return %v", l.ok.Load(), l.cut.Load(), kills, slowest)
	if n := l.refused.Load(); n != 0 {
		t.Errorf("%d connections were refused", n)
	}
	if most := int64(kills * 7); l.cut.Load() > most {
		t.Errorf("%d requests were cut, but only %d were under way", l.cut.Load(), most)
	}
	if slowest > time.Second {
		t.Errorf("the door was away for %v", slowest)
	}
	status, err := d.Status(t.Context())
	must(t, err)
	if status.GetDigest() == "" {
		t.Error("the table is gone")
	}
}

func TestAReplacedWorkerLosesNothing(t *testing.T) {
	t.Parallel()
	d, o := install(t)
	stream := listenEcho(t)
	page, names, cfg := serve(t, d, &doorv1.Route{Names: []string{"stream.test"}, Certificate: "c", Upstream: stream})
	streamCfg := cfg.Clone()
	streamCfg.ServerName, streamCfg.InsecureSkipVerify = "stream.test", true
	open, err := tls.Dial("tcp", page, streamCfg)
	must(t, err)
	defer open.Close()
	echoes(t, open)

	l := startLoad(page, names, cfg)
	l.progress(t, 100)
	before := workers(t, o)[0]
	parent := parentOf(t, o)
	for i := range 4 { // as many as the parent lets drain at once
		if i%2 == 0 {
			must(t, d.Replace(t.Context()))
		} else {
			was := workers(t, o)
			must(t, syscall.Kill(parent, syscall.SIGHUP))
			for len(workers(t, o)) <= len(was) && slices.Max(workers(t, o)) == slices.Max(was) {
				time.Sleep(time.Millisecond)
			}
		}
		l.progress(t, 100)
		echoes(t, open)
	}
	l.end()
	t.Logf("%d answered, %d cut", l.ok.Load(), l.cut.Load())
	l.how.Range(func(k, _ any) bool { t.Log(k); return true })
	if l.refused.Load()+l.cut.Load() != 0 {
		t.Errorf("%d refused, %d cut", l.refused.Load(), l.cut.Load())
	}
	if !slices.Contains(workers(t, o), before) {
		t.Error("the first worker has ended with a stream of its own open")
	}
	status, err := d.Status(t.Context())
	must(t, err)
	if status.GetDigest() == "" {
		t.Error("the table is gone")
	}
}

func TestADaemonFromAnotherFolderReplacesTheDoorByItsOwnOnce(t *testing.T) {
	t.Parallel()
	d, o := install(t)
	serve(t, d)
	program, err := os.ReadFile(o.Program)
	must(t, err)
	dir := filepath.Join(o.RunDir, "elsewhere")
	must(t, os.Mkdir(dir, 0o711))
	o.Program = filepath.Join(dir, "hearth-door")
	must(t, os.WriteFile(o.Program, program, 0o755))

	again, status, err := doorctl.Ensure(t.Context(), o)
	must(t, err)
	defer again.Close()
	if !o.Stale(status) {
		t.Fatal("a door from another folder is said to be the same")
	}
	was := workers(t, o)
	must(t, again.Replace(t.Context()))
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) { // the one before answers until it drains
		status, err := again.Status(t.Context())
		if err == nil && !o.Stale(status) && status.GetDigest() != "" {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("after it was replaced the door is %v, %v", status, err)
		}
	}
	parent := parentOf(t, o)
	must(t, syscall.Kill(standby(t, o, parent, 0), syscall.SIGKILL))
	killed := slices.Max(workers(t, o))
	if slices.Contains(was, killed) {
		t.Error("there is no other worker")
	}
	must(t, syscall.Kill(killed, syscall.SIGKILL))
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		status, err := again.Status(t.Context())
		if err == nil && !o.Stale(status) && !slices.Contains(workers(t, o), killed) {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("after the worker's death: %v, %v", status, err)
		}
	}
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		at, err := os.Readlink("/proc/" + strconv.Itoa(standby(t, o, parent, 0)) + "/exe")
		if err == nil && at == o.Program {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("the standby is of %s", at)
		}
	}
}

func TestASecondDoorEndsAndTheFirstIsFound(t *testing.T) {
	t.Parallel()
	d, o := install(t)
	serve(t, d)
	was := pids(t, o)
	again, status, err := doorctl.Ensure(t.Context(), o)
	must(t, err)
	defer again.Close()
	if status.GetDigest() == "" || !slices.Equal(pids(t, o), was) {
		t.Errorf("found %v with processes %v, before %v", status, pids(t, o), was)
	}
}

func TestADoorWhoseParentWasKilledIsMissedAndStartedAgain(t *testing.T) {
	t.Parallel()
	d, o := install(t)
	serve(t, d)
	for range 3 {
		if status, started, err := d.Revive(t.Context(), o); err != nil || started || status.GetDigest() == "" {
			t.Fatalf("a door that serves: %v, started %v, %v", status, started, err)
		}
		killParent(t, o)
		if !d.Lost(t.Context()) {
			t.Fatal("the end of the door is not seen")
		}
		status, started, err := d.Revive(t.Context(), o)
		if err != nil || !started || status.GetDigest() == "" {
			t.Fatalf("after the end: %v, started %v, %v", status, started, err)
		}
	}
	within, cancel := context.WithCancel(t.Context())
	cancel()
	if d.Lost(within) {
		t.Error("a door that serves is said to be lost")
	}
}

func TestADoorWhoseParentWasKilledMakesRoomForTheNext(t *testing.T) {
	t.Parallel()
	d, o := install(t)
	page, _, cfg := serve(t, d)
	killParent(t, o)
	for len(pids(t, o)) > 0 {
		time.Sleep(time.Millisecond)
	}
	again, status, err := doorctl.Ensure(t.Context(), o)
	must(t, err)
	defer again.Close()
	if status.GetDigest() == "" {
		t.Fatal("the table is gone")
	}
	for _, s := range status.GetSockets() {
		if s.GetAddress() == "tcp 127.0.0.1:0" {
			page = s.GetBound()
		}
	}
	must(t, post(client(page, cfg, true, false), "again"))
}

func TestAReplacementThatDoesNotServeIsGivenUp(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "door")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o711))
	self, err := os.Executable()
	must(t, err)
	good, err := os.ReadFile(self)
	must(t, err)
	program := filepath.Join(dir, "hearth-door")
	must(t, os.WriteFile(program, good, 0o700))
	d, o := installProgram(t, program)
	page, _, cfg := serve(t, d)
	before := workers(t, o)

	must(t, os.Rename(program, program+".old"))
	must(t, os.WriteFile(program, []byte("#!/bin/sh\nexit 1\n"), 0o700))
	err = d.Replace(t.Context())
	if !fault.Is(err, metav1.Reason_REASON_INTERNAL) {
		t.Errorf("replacing by a program that ends at once: %v", err)
	}
	must(t, os.Remove(program))
	if err := d.Replace(t.Context()); err == nil {
		t.Error("replacing by a program that is not there was no error")
	}
	must(t, post(client(page, cfg, true, false), "still"))
	if got := workers(t, o); !slices.Equal(got, before) {
		t.Errorf("workers are %v, before %v", got, before)
	}
	serve(t, d) // the table can be changed again

	must(t, os.Rename(program+".old", program))
	must(t, d.Replace(t.Context()))
	if slices.Equal(workers(t, o), before) {
		t.Error("a good program did not take over")
	}
	must(t, doorctl.Stop(t.Context(), o))
	if left := pids(t, o); len(left) != 0 {
		t.Errorf("after the end %v is there", left)
	}
	must(t, doorctl.Stop(t.Context(), o))
}

func TestATableThatCannotBeReadIsTold(t *testing.T) {
	t.Parallel()
	d, o := install(t)
	serve(t, d)
	must(t, doorctl.Stop(t.Context(), o))
	must(t, os.WriteFile(filepath.Join(o.RunDir, "door", "table"), []byte("noise"), 0o600))
	again, status, err := doorctl.Ensure(t.Context(), o)
	must(t, err)
	defer again.Close()
	if status.GetDigest() != "" || len(status.GetSockets()) != 0 {
		t.Errorf("the door serves from noise: %v", status)
	}
	page, _, cfg := serve(t, again)
	must(t, post(client(page, cfg, false, false), "x"))
}

func listenEcho(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	return l.Addr().String()
}

func echoes(t *testing.T, c net.Conn) {
	t.Helper()
	must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	_, err := io.WriteString(c, "ping")
	must(t, err)
	b := make([]byte, 4)
	_, err = io.ReadFull(c, b)
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A door that somebody else plays is not taken for one that has to be started.
func TestNoDoorIsStartedWithoutItsProgram(t *testing.T) {
	t.Parallel()
	o := doorctl.Options{RunDir: t.TempDir(), LogPath: filepath.Join(t.TempDir(), "log")}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if d, _, err := doorctl.Ensure(ctx, o); err == nil {
		d.Close()
		t.Error("there is a door")
	}
	if _, err := os.Stat(o.LogPath); !os.IsNotExist(err) {
		t.Errorf("something was started: %v", err)
	}
}

// What is open when the parent is killed goes on for a while in its orphans; nobody else has to wait for that.
func TestADoorWhoseParentWasKilledIsBackWhileOrphansGoOn(t *testing.T) {
	t.Parallel()
	d, o := install(t)
	cert, cfg := identity(t)
	cfg.InsecureSkipVerify = true
	free, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	page := free.Addr().String()
	must(t, free.Close())
	_, err = d.Apply(t.Context(), &doorv1.Table{
		Certificates: []*doorv1.Certificate{cert},
		Listeners:    []*doorv1.Listener{{Address: page, Routes: []*doorv1.Route{{Certificate: "c", Upstream: listenEcho(t)}}}},
	})
	must(t, err)
	for range 2 { // one in a worker that was replaced, one in the last
		open, err := tls.Dial("tcp", page, cfg)
		must(t, err)
		defer open.Close()
		echoes(t, open)
		must(t, d.Replace(t.Context()))
		open, err = tls.Dial("tcp", page, cfg)
		must(t, err)
		defer open.Close()
		echoes(t, open)
	}
	killParent(t, o)
	at := time.Now()
	for started := false; !started; { // an orphan may still answer once
		if !d.Lost(t.Context()) {
			t.Fatal("the end of the door is not seen")
		}
		_, started, err = d.Revive(t.Context(), o)
		must(t, err)
	}
	again, err := tls.Dial("tcp", page, cfg)
	for err != nil && time.Since(at) < 15*time.Second {
		time.Sleep(10 * time.Millisecond)
		again, err = tls.Dial("tcp", page, cfg)
	}
	must(t, err)
	defer again.Close()
	echoes(t, again)
	t.Logf("back after %v", time.Since(at))
	if len(workers(t, o)) < 2 {
		t.Error("no orphan goes on")
	}
}

// Nobody but the door itself is needed for it to come back, whichever of its processes is killed.
func TestADoorComesBackByItself(t *testing.T) {
	t.Parallel()
	d, o := install(t)
	cert, cfg := identity(t)
	cfg.InsecureSkipVerify = true
	free, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	page := free.Addr().String()
	must(t, free.Close())
	_, err = d.Apply(t.Context(), &doorv1.Table{
		Certificates: []*doorv1.Certificate{cert},
		Listeners:    []*doorv1.Listener{{Address: page, Routes: []*doorv1.Route{{Certificate: "c", Upstream: listenEcho(t)}}}},
	})
	must(t, err)
	d.Close() // nobody asks for the door any more
	parent := parentOf(t, o)
	for range 4 {
		next := standby(t, o, parent, 0)
		must(t, syscall.Kill(parent, syscall.SIGKILL))
		at := time.Now()
		for {
			open, err := tls.Dial("tcp", page, cfg)
			if err == nil {
				echoes(t, open)
				must(t, open.Close())
				break
			}
			if time.Since(at) > 20*time.Second {
				t.Fatal("the door does not come back: ", err)
			}
			time.Sleep(time.Millisecond)
		}
		t.Logf("back after %v", time.Since(at))
		parent = next // what it was started with still calls it a standby
		waits := standby(t, o, parent, 0)
		must(t, syscall.Kill(waits, syscall.SIGKILL))
		standby(t, o, parent, waits)
	}
	again, err := doorctl.Dial(o.Path())
	must(t, err)
	defer again.Close()
	status, err := again.Status(t.Context())
	must(t, err)
	if status.GetDigest() == "" {
		t.Error("the table is gone")
	}
	must(t, doorctl.Stop(t.Context(), o))
	if left := pids(t, o); len(left) > 0 {
		t.Errorf("a door that was told to end left %v", left)
	}
}
