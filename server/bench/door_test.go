package bench_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	doorv1 "github.com/hearthos/hearth/api/gen/go/hearth/door/v1"
	"github.com/hearthos/hearth/server/internal/door/doorctl"
	"github.com/hearthos/hearth/server/internal/testenv"
)

// The programs the front door is measured against lie unpacked in the folder that this variable names.
const rivalsVariable = "HEARTH_BENCH_RIVALS"

// street is a service, the front door, and other programs that stand where it stands: each has ports of its own, the same
// certificate, and leads to the same service.
type street struct {
	b        *testing.B
	dir      string
	bin      string
	rivals   string
	door     *doorctl.Door
	table    *doorv1.Table
	pids     map[string][]int // the processes of each
	at       map[string]string
	upstream string
	cert     string // file with the chain, then the key
}

// doorPort and those after it are where the door and its rivals listen; the namespace is the benchmark's own.
const doorPort = 20000

func newStreet(b *testing.B) *street {
	b.Helper()
	testenv.Require(b, "root", "netns")
	s := &street{b: b, dir: b.TempDir(), bin: bin(b), rivals: os.Getenv(rivalsVariable), pids: map[string][]int{}, at: map[string]string{}}
	for _, d := range []string{s.dir, filepath.Dir(s.dir)} { // ours; all of them give up the rights of root
		must(b, os.Chmod(d, 0o755))
	}
	s.upstream = answerer(b)
	chain, key := selfMade(b)
	s.cert = filepath.Join(s.dir, "cert.pem")
	must(b, os.WriteFile(s.cert, append(chain, key...), 0o644))
	s.startDoor(chain, key)
	return s
}

// startDoor starts the front door as the daemon does.
func (s *street) startDoor(chain, key []byte) {
	s.b.Helper()
	run := filepath.Join("/run", "door")
	must(s.b, os.MkdirAll(run, 0o711))
	o := doorctl.Options{RunDir: run, Program: filepath.Join(s.bin, "hearth-door"), UID: 65534, LogPath: filepath.Join(s.dir, "door.log")}
	d, _, err := doorctl.Ensure(s.b.Context(), o)
	must(s.b, err)
	s.b.Cleanup(func() { _ = doorctl.Stop(context.Background(), o); d.Close() })
	s.door, s.table = d, &doorv1.Table{Certificates: []*doorv1.Certificate{{Id: "c", Chain: chain, Key: key}}}
	conn, err := net.Dial("unix", o.Path())
	must(s.b, err)
	defer conn.Close()
	socket, err := conn.(*net.UnixConn).File()
	must(s.b, err)
	defer socket.Close()
	parent, err := unix.GetsockoptUcred(int(socket.Fd()), unix.SOL_SOCKET, unix.SO_PEERCRED)
	must(s.b, err)
	s.pids["door"] = family(s.b, int(parent.Pid))
}

// leads adds a listener to the door.
func (s *street) leads(name string, route *doorv1.Route) string {
	s.b.Helper()
	s.at[name], s.pids[name] = fmt.Sprintf("127.0.0.1:%d", doorPort+len(s.at)), s.pids["door"]
	s.table.Listeners = append(s.table.Listeners, &doorv1.Listener{Address: s.at[name], Routes: []*doorv1.Route{route}})
	_, err := s.door.Apply(s.b.Context(), s.table)
	must(s.b, err)
	return s.at[name]
}

// rival starts another program with a configuration, in which "$cert" is the file of certificate and key, "$at" where to listen and
// "$up" the service, and waits until it listens.
func (s *street) rival(name, config string, command func(file string) []string) {
	s.b.Helper()
	s.at[name] = fmt.Sprintf("127.0.0.1:%d", doorPort+len(s.at))
	file := filepath.Join(s.dir, name+".conf")
	config = strings.NewReplacer("$cert", s.cert, "$at", s.at[name], "$port", strings.TrimPrefix(s.at[name], "127.0.0.1:"), "$up", s.upstream, "$dir", s.dir).Replace(config)
	must(s.b, os.WriteFile(file, []byte(config), 0o644))
	args := command(file)
	cmd := exec.Command(filepath.Join(s.rivals, args[0]), args[1:]...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Join(s.rivals, "usr/lib/x86_64-linux-gnu"), "HOME="+s.dir, "XDG_DATA_HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	must(s.b, cmd.Start())
	s.b.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if s.b.Failed() {
			s.b.Logf("%s: %s", name, said.String())
		}
	})
	waitFor(s.b, 10*time.Second, func() bool {
		c, err := net.Dial("tcp", s.at[name])
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	s.pids[name] = family(s.b, cmd.Process.Pid)
}

// family is a process and those that descend from it.
func family(b *testing.B, pid int) []int {
	b.Helper()
	out := []int{pid}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	must(b, err)
	for _, file := range files {
		raw, _ := os.ReadFile(file)
		for word := range strings.FieldsSeq(string(raw)) {
			child, err := strconv.Atoi(word)
			must(b, err)
			out = append(out, family(b, child)...)
		}
	}
	return out
}

// answerSize is how long the service's answers are.
const answerSize = 1024

// answerer is a service that answers every request with a kibibyte, and does as little else as can be.
func answerer(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	b.Cleanup(func() { l.Close() })
	answer := []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", answerSize, strings.Repeat("x", answerSize)))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for {
					line, err := in.ReadSlice('\n')
					if err != nil {
						return
					}
					if len(line) == 2 {
						if _, err := c.Write(answer); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// selfMade is a certificate with a key on P-256, as all of them have.
func selfMade(b *testing.B) (chain, key []byte) {
	b.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(b, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a.test"}, DNSNames: []string{"a.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	must(b, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	must(b, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// caller is how all speak TLS: version, group and cipher are the same for everybody, nothing is resumed, and what the caller would
// spend on checking certificates is left out.
func caller() *tls.Config {
	return &tls.Config{
		ServerName: "a.test", InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519}, NextProtos: []string{"http/1.1"},
	}
}

// requester asks for the answer again and again over connections that are kept open.
func requester(b *testing.B, at string, many int) func() error {
	b.Helper()
	type client struct {
		c  *tls.Conn
		in *bufio.Reader
	}
	free := make(chan client, many)
	for range many {
		c, err := tls.Dial("tcp", at, caller())
		must(b, err)
		b.Cleanup(func() { c.Close() })
		free <- client{c, bufio.NewReader(c)}
	}
	request := []byte("GET / HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n")
	return func() error {
		k := <-free
		defer func() { free <- k }()
		if _, err := k.c.Write(request); err != nil {
			return err
		}
		length := 0
		for {
			line, err := k.in.ReadSlice('\n')
			if err != nil {
				return err
			}
			if len(line) == 2 {
				break
			}
			if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("content-length")) {
				length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
			}
		}
		if length != answerSize {
			return fmt.Errorf("the answer has %d bytes", length)
		}
		_, err := k.in.Discard(length)
		return err
	}
}

const nginxHead = `daemon off; worker_processes 2; error_log stderr crit; pid $dir/nginx.pid; worker_rlimit_nofile 16384;
events { worker_connections 8192; multi_accept on; }
`

// nginx is nginx as a proxy of HTTP at its best: a worker for each core, connections to the service kept open, no log.
const nginxHTTP = nginxHead + `http { access_log off; keepalive_requests 10000000; tcp_nodelay on; client_body_temp_path $dir; proxy_temp_path $dir; fastcgi_temp_path $dir;
uwsgi_temp_path $dir; scgi_temp_path $dir;
upstream up { server $up; keepalive 256; keepalive_requests 10000000; }
server { listen $at ssl reuseport; ssl_certificate $cert; ssl_certificate_key $cert; ssl_protocols TLSv1.3; ssl_ecdh_curve X25519;
ssl_session_tickets off; ssl_session_cache off; ssl_buffer_size 4k;
location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto https; proxy_set_header X-Forwarded-Host $host; } } }
`

// caddyHTTP is Caddy 2 without its admin interface and without logs, with connections to the service kept open.
const caddyHTTP = `{ 
	admin off
	auto_https off
	servers { 
		protocols h1 h2
	}
}
https://:$port {
	bind 127.0.0.1
	tls $dir/cert.pem $dir/cert.pem {
		protocols tls1.3
		curves x25519
	}
	reverse_proxy $up {
		transport http {
			keepalive_idle_conns 1024
			keepalive_idle_conns_per_host 1024
			compression off
		}
	}
}
`

func nginxCommand(file string) []string {
	return []string{"usr/sbin/nginx", "-c", file, "-e", "stderr"}
}

func caddyCommand(file string) []string {
	return []string{"usr/bin/caddy", "run", "--config", file, "--adapter", "caddyfile"}
}

// contest has some do the same by turns, and reports what each does a second, the processor time it takes for one, and the
// ratios of the first to all others.
func (s *street) contest(b *testing.B, callers int, names []string, call map[string]func() error) {
	perSecond, cpu, ratios, cpuRatios := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	for b.Loop() {
		for _, name := range names {
			n, c := rate(b, callers, s.pids[name], call[name])
			perSecond[name], cpu[name] = append(perSecond[name], n), append(cpu[name], c)
		}
		last := func(values []float64) float64 { return values[len(values)-1] }
		for _, name := range names[1:] {
			ratios[name] = append(ratios[name], last(perSecond[names[0]])/last(perSecond[name]))
			cpuRatios[name] = append(cpuRatios[name], last(cpu[names[0]])/last(cpu[name]))
		}
	}
	for i, name := range names {
		report(b, median(perSecond[name]), name+"-/s")
		report(b, median(cpu[name]), name+"-cpu-µs")
		if i > 0 {
			report(b, median(ratios[name]), "ratio-to-"+name)
			report(b, median(cpuRatios[name]), "cpu-ratio-to-"+name)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkTermination asks for a kibibyte over TLS: through the front door, which carries bytes or reads the requests, and
// through nginx and Caddy, which read them.
func BenchmarkTermination(b *testing.B) {
	s := newStreet(b)
	s.leads("bytes", &doorv1.Route{Certificate: "c", Upstream: s.upstream, Alpn: []string{"http/1.1"}})
	s.leads("http", &doorv1.Route{Certificate: "c", Upstream: s.upstream, Alpn: []string{"http/1.1"}, Http: true})
	s.rival("nginx", nginxHTTP, nginxCommand)
	s.rival("caddy", caddyHTTP, caddyCommand)
	call := map[string]func() error{}
	for name, at := range s.at {
		call[name] = requester(b, at, 32)
	}
	for _, way := range []string{"bytes", "http"} {
		b.Run(way, func(b *testing.B) { s.contest(b, 32, []string{way, "nginx", "caddy"}, call) })
	}
}

// BenchmarkHandshake opens connections with a whole handshake each, one after the other.
func BenchmarkHandshake(b *testing.B) {
	s := newStreet(b)
	s.leads("door", &doorv1.Route{Certificate: "c", Upstream: s.upstream, Alpn: []string{"http/1.1"}, Http: true})
	s.rival("nginx", nginxHTTP, nginxCommand)
	call := map[string]func() error{}
	for name, at := range s.at {
		call[name] = func() error {
			c, err := tls.Dial("tcp", at, caller())
			if err != nil {
				return err
			}
			if got := c.ConnectionState(); got.DidResume || got.CurveID != tls.X25519 || got.Version != tls.VersionTLS13 {
				return errors.New("another handshake than was wanted")
			}
			_ = c.NetConn().(*net.TCPConn).SetLinger(0) // tens of thousands that linger would use up the ports
			return c.NetConn().Close()
		}
	}
	s.contest(b, 8, []string{"door", "nginx"}, call)
}

const haproxyPassthrough = `global
  nbthread 2
  maxconn 4096
  stats socket $dir/haproxy.sock
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option splice-auto
frontend f
  bind $at
  tcp-request inspect-delay 5s
  tcp-request content accept if { req_ssl_hello_type 1 }
  use_backend s if { req_ssl_sni -i a.test }
backend s
  server s $up
`

// pourSize is what one connection carries.
const pourSize = 64 << 20

// pourer is a service that sends pourSize bytes to whoever has said the first message of a handshake; what follows that is not looked
// at by those who pass connections on unopened, so nobody's cryptography is measured.
func pourer(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	b.Cleanup(func() { l.Close() })
	piece := make([]byte, 256<<10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := c.Read(make([]byte, 4096)); err != nil {
					return
				}
				for sent := 0; sent < pourSize; sent += len(piece) {
					if _, err := c.Write(piece); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// BenchmarkPassthrough carries bytes of connections that are led by the name in the handshake and not opened.
func BenchmarkPassthrough(b *testing.B) {
	s := newStreet(b)
	s.upstream = pourer(b)
	s.leads("door", &doorv1.Route{Names: []string{"a.test"}, Upstream: s.upstream})
	s.rival("haproxy", haproxyPassthrough, func(file string) []string { return []string{"usr/sbin/haproxy", "-f", file, "-db"} })
	hello := helloMessage(b)
	fetch := func(at string) func() error {
		return func() error {
			c, err := net.Dial("tcp", at)
			if err != nil {
				return err
			}
			defer c.Close()
			if _, err := c.Write(hello); err != nil {
				return err
			}
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 256<<10))
			if n != pourSize {
				return fmt.Errorf("%d bytes: %w", n, err)
			}
			return nil
		}
	}
	s.contest(b, 4, []string{"door", "haproxy"}, map[string]func() error{"door": fetch(s.at["door"]), "haproxy": fetch(s.at["haproxy"])})
}

// helloMessage is what a caller says first.
func helloMessage(b *testing.B) []byte {
	b.Helper()
	here, there := net.Pipe()
	defer here.Close()
	go func() { _ = tls.Client(here, caller()).Handshake() }()
	raw := make([]byte, 4096)
	n, err := there.Read(raw)
	must(b, err)
	there.Close()
	return raw[:n]
}

// BenchmarkNames asks the resolver for a name of ours, many questions under way at once.
func BenchmarkNames(b *testing.B) {
	s := newStreet(b)
	s.table.Resolver = &doorv1.Resolver{Addresses: []string{"127.0.0.1:5300"}, Zones: []string{"test"}, Records: []*doorv1.Record{{Name: "a.test", Ipv4: []string{"10.0.3.2"}}}}
	_, err := s.door.Apply(b.Context(), s.table)
	must(b, err)
	s.at["door"] = "127.0.0.1:5300"
	dnsmasq := exec.Command("dnsmasq", "--keep-in-foreground", "--port=5301", "--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts",
		"--host-record=a.test,10.0.3.2", "--pid-file=", "--user=root", "--conf-file=/dev/null")
	dnsmasq.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(b, dnsmasq.Start())
	b.Cleanup(func() { _ = dnsmasq.Process.Kill(); _ = dnsmasq.Wait() })
	s.at["dnsmasq"], s.pids["dnsmasq"] = "127.0.0.1:5301", []int{dnsmasq.Process.Pid}
	question, err := new(dns.Msg).SetQuestion("a.test.", dns.TypeA).Pack()
	must(b, err)
	call := map[string]func() error{}
	for name, at := range s.at {
		call[name] = asker(b, at, question)
	}
	s.contest(b, 4, []string{"door", "dnsmasq"}, call)
}

// underWay is how many questions one caller has under way.
const underWay = 32

// asker sends a question as soon as one of those before it is answered, and counts each; one that is lost is sent again.
func asker(b *testing.B, at string, question []byte) func() error {
	b.Helper()
	const many = 4
	type client struct {
		c    net.Conn
		open int
	}
	free := make(chan *client, many)
	for range many {
		c, err := net.Dial("udp", at)
		must(b, err)
		b.Cleanup(func() { c.Close() })
		free <- &client{c: c}
	}
	waitFor(b, 10*time.Second, func() bool {
		k := <-free
		defer func() { free <- k }()
		_, _ = k.c.Write(question)
		_ = k.c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		n, _ := k.c.Read(make([]byte, 512))
		return n > 0
	})
	return func() error {
		k := <-free
		defer func() { free <- k }()
		for k.open < underWay {
			if _, err := k.c.Write(question); err != nil {
				return err
			}
			k.open++
		}
		_ = k.c.SetReadDeadline(time.Now().Add(time.Second))
		_, err := k.c.Read(make([]byte, 512))
		k.open--
		if errors.Is(err, os.ErrDeadlineExceeded) {
			k.open = 0
			return nil
		}
		return err
	}
}

// BenchmarkIdleConnections reports what the front door takes with a hundred services and ten thousand idle connections.
func BenchmarkIdleConnections(b *testing.B) {
	s := newStreet(b)
	const services, many = 100, 10000
	for i := range services {
		s.table.Listeners = append(s.table.Listeners, &doorv1.Listener{Address: fmt.Sprintf("127.0.0.1:%d", doorPort+1000+i), Routes: []*doorv1.Route{
			{Certificate: "c", Upstream: s.upstream, Alpn: []string{"h2", "http/1.1"}, Http: true},
		}})
	}
	_, err := s.door.Apply(b.Context(), s.table)
	must(b, err)
	for b.Loop() {
		report(b, s.resident(), "empty-rss-MiB")
		stand := s.hold(many, func(i int) string { return fmt.Sprintf("127.0.0.1:%d", doorPort+1000+i%services) })
		report(b, float64(stand), "connections")
		report(b, s.resident(), "rss-MiB")
	}
	b.ReportMetric(0, "ns/op")
}

// resident is the memory of the door.
func (s *street) resident() (sum float64) {
	for _, pid := range s.pids["door"] {
		sum += memoryOf(s.b, pid).rss
	}
	return sum
}

// hold opens connections, each from one of many addresses, asks once on each and keeps them. It answers how many still stand.
func (s *street) hold(many int, at func(i int) string) int64 {
	conns := make([]*tls.Conn, many)
	next := atomic.Int64{}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < many; i = int(next.Add(1)) - 1 {
				d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%64))}}
				c, err := tls.DialWithDialer(&d, "tcp", at(i), caller())
				if err != nil {
					continue
				}
				_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
				_, _ = io.ReadFull(c, make([]byte, answerSize))
				conns[i] = c
			}
		})
	}
	wg.Wait()
	time.Sleep(3 * time.Second) // connections to the services are given back, and what opening left behind
	var stand int64
	for _, c := range conns {
		if c == nil {
			continue
		}
		s.b.Cleanup(func() { c.Close() })
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := c.Read(make([]byte, 4096)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			stand++
		}
	}
	return stand
}
