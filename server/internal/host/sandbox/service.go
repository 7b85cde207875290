package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/abi/logseg"
)

// Where a container and the daemon meet, as the runner assembles it.
const (
	rpcPath  = "/run/hearth"
	logsPath = "/media/startos/logs"
	lockPath = "/usr/lib/hearth/data.lock"
)

// What every played service has: a port with a page, and a health check.
const (
	webPort   = 80
	hostID    = "ui"
	checkID   = "page"
	checkName = "Page"
)

// service is what runs in a container: it plays the code of a package and the programs that it starts.
type service struct {
	host   *Host
	pkg    string
	c      *container
	agent  *agent
	lis    net.Listener
	conn   *grpc.ClientConn
	fx     effectsv1.EffectsServiceClient
	log    *logseg.Writer
	held   *os.File        // the lock of the data; nil in a container that nobody assembled
	living context.Context // of the container
	done   chan struct{}   // closed when nothing of it runs
	nudged chan struct{}

	mu       sync.Mutex // guards what follows
	greeting greeting
	mailEtag string             // of how mail was sent when init looked
	entered  bool               // there is a subcontainer
	stopMain context.CancelFunc // nil unless main runs
	main     *sync.WaitGroup
}

// greeting is what the page says; the action set-greeting changes it.
type greeting struct {
	Greeting string `json:"greeting"`
	Color    string `json:"color"`
}

func newService(h *Host, c *container) (_ *service, err error) {
	s := &service{
		host: h, pkg: c.Name, c: c, done: make(chan struct{}), nudged: make(chan struct{}, 1),
		greeting: greeting{Greeting: "Hello from " + c.Name, Color: "#b5442c"},
	}
	s.agent = newAgent(s, c.env("HEARTH_CONTAINER"))
	dir := c.root(rpcPath)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := s.hold(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.letGo()
		}
	}()
	folder, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(folder)
	if err := os.Remove(filepath.Join(dir, "agent.sock")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	// By the descriptor, since the path may be longer than the address of a socket can be.
	lis, err := net.ListenUnix("unix", &net.UnixAddr{Name: fmt.Sprintf("/proc/self/fd/%d/agent.sock", folder), Net: "unix"})
	if err != nil {
		return nil, err
	}
	lis.SetUnlinkOnClose(false) // the folder goes as a whole
	s.lis = lis
	s.conn, err = dialEffects(dir)
	if err != nil {
		return nil, errors.Join(err, lis.Close())
	}
	s.fx = effectsv1.NewEffectsServiceClient(s.conn)
	return s, nil
}

// hold locks the data, as the agent does.
func (s *service) hold() error {
	f, err := os.Open(s.c.root(lockPath))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("cannot lock the data: %w", err), f.Close())
	}
	s.held = f
	return nil
}

// letGo gives the lock of the data back.
func (s *service) letGo() {
	if s.held != nil {
		_ = s.held.Close()
	}
}

// dialEffects reaches the daemon through the container's own socket, and waits for it as long as it takes: the daemon
// may be away.
func dialEffects(dir string) (*grpc.ClientConn, error) {
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		fd, err := unix.Open(filepath.Join(dir, "effects.sock"), unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		defer unix.Close(fd)
		var d net.Dialer
		return d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d", fd))
	}
	return grpc.NewClient("passthrough:///effects", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(dial), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)), grpc.WithDisableServiceConfig(),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.5, MaxDelay: time.Second}}))
}

// run is the life of the container.
func (s *service) run(ctx context.Context) {
	defer close(s.done)
	s.living = ctx
	server := grpc.NewServer(grpc.WaitForHandlers(true))
	agentv1.RegisterAgentServiceServer(server, s.agent)
	stop := context.AfterFunc(ctx, server.Stop)
	_ = server.Serve(s.lis) // ends by Stop alone
	stop()
	s.endMain()
	s.agent.group.Wait()
	_ = s.conn.Close()
	s.letGo()
	if s.log != nil {
		_ = s.log.Close()
	}
}

// print writes a line to the service's log. Where there is no folder for it, as in a container that nobody assembled,
// it is lost.
func (s *service) print(stream logseg.Stream, source, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log == nil {
		dir, err := filepath.EvalSymlinks(s.c.root(logsPath))
		if err != nil {
			return
		}
		if s.log, err = logseg.NewWriter(dir); err != nil {
			return
		}
	}
	_ = s.log.Write(logseg.Record{Time: time.Now(), Stream: stream, Source: source, Message: fmt.Sprintf(format, args...)})
}

// sleep returns ctx's error when ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// initSteps are what the progress of an init shows.
const initSteps = 5

// init is the package's init.
func (s *service) init(ctx context.Context, kind string) error {
	p := s.host.play(s.pkg)
	s.print(logseg.Stdout, "init", "init begins (%s)", kind)
	for i := range initSteps {
		progress := fmt.Sprintf(`{"overall":{"done":%d,"total":%d,"units":"steps"},"phases":[{"name":"Preparing the data","progress":null}]}`, i, initSteps)
		if _, err := s.fx.SetInitProgress(ctx, &effectsv1.SetInitProgressRequest{Progress: []byte(progress)}); err != nil {
			return failed("the host refused an effect: %v", err)
		}
		if err := sleep(ctx, (p.InitTakes+s.host.pace)/initSteps); err != nil {
			return err
		}
	}
	if s.host.spend(s.pkg, func(p *Play) *int { return &p.InitFails }) {
		s.print(logseg.Stderr, "init", "cannot bring the data up to date")
		return failed("cannot bring the data up to date")
	}
	for _, effect := range []func(context.Context) error{s.setVersion, s.exportPage, s.exportActions, s.lookAtMail} {
		if err := effect(ctx); err != nil {
			return failed("the host refused an effect: %v", err)
		}
	}
	if kind == "restore" {
		if err := s.takeBack(); err != nil {
			return err
		}
	}
	if kind == "install" {
		var until object
		if p.Picky {
			until = object{"greeting": "Something else"}
		}
		if err := s.createTaskUntil(ctx, actionGreet, "important", "Choose what your page says", until); err != nil {
			return failed("the host refused an effect: %v", err)
		}
	}
	if p.Blocked {
		if err := s.createTask(ctx, actionPermit, "critical", "Say that it may run"); err != nil {
			return failed("the host refused an effect: %v", err)
		}
	}
	s.print(logseg.Stdout, "init", "init ends")
	return nil
}

// lookAtMail remembers how mail is sent.
func (s *service) lookAtMail(ctx context.Context) error {
	resp, err := s.fx.GetSystemSmtp(ctx, &effectsv1.GetSystemSmtpRequest{})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mailEtag = resp.GetEtag()
	return nil
}

func (s *service) mail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mailEtag
}

// setVersion records the version of the data, which is the package's, and what is needed of others: what a package really
// needs is said by its code, which is not run, so it is that all it depends on runs, but for what its manifest calls optional.
func (s *service) setVersion(ctx context.Context) error {
	resp, err := s.fx.GetServiceManifest(ctx, &effectsv1.GetServiceManifestRequest{PackageId: s.pkg})
	if err != nil {
		return err
	}
	var manifest struct {
		Version      string `json:"version"`
		Dependencies map[string]struct {
			Optional bool `json:"optional"`
		} `json:"dependencies"`
	}
	if err := json.Unmarshal(resp.GetValue(), &manifest); err != nil {
		return err
	}
	if _, err := s.fx.SetDataVersion(ctx, &effectsv1.SetDataVersionRequest{Version: &manifest.Version}); err != nil {
		return err
	}
	needs := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(manifest.Dependencies)) {
		if !manifest.Dependencies[id].Optional {
			needs = append(needs, map[string]any{"kind": "running", "id": id, "versionRange": "*", "healthChecks": []string{}})
		}
	}
	raw, err := json.Marshal(needs)
	if err != nil {
		return err
	}
	_, err = s.fx.SetDependencies(ctx, &effectsv1.SetDependenciesRequest{Dependencies: raw})
	return err
}

// exportPage binds the port of the page and says what it is for.
func (s *service) exportPage(ctx context.Context) error {
	ssl, err := json.Marshal(abi.AddSSL{PreferredExternalPort: 443, ALPN: &abi.ALPN{Specified: []string{"http/1.1"}}})
	if err != nil {
		return err
	}
	scheme, secure := "http", "https"
	info, err := json.Marshal(abi.AddressInfo{HostID: hostID, InternalPort: webPort, Scheme: &scheme, SSLScheme: &secure})
	if err != nil {
		return err
	}
	if _, err := s.fx.Bind(ctx, &effectsv1.BindRequest{Id: hostID, InternalPort: webPort, PreferredExternalPort: webPort, AddSsl: ssl}); err != nil {
		return err
	}
	_, err = s.fx.ExportServiceInterface(ctx, &effectsv1.ExportServiceInterfaceRequest{
		Id: hostID, Name: "Page", Description: "The page of a service that is played", AddressInfo: info, Type: "ui",
	})
	return err
}

// start is the package's main: it begins what goes on until stop.
func (s *service) start(ctx context.Context) (err error) {
	p := s.host.play(s.pkg)
	running, cancel := context.WithCancel(ctx)
	group := &sync.WaitGroup{}
	s.mu.Lock()
	s.stopMain, s.main = cancel, group
	s.mu.Unlock()
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	s.print(logseg.Stdout, "main", "main begins")
	s.health(running, "starting", "It is being started")
	if err := sleep(running, p.StartTakes+s.host.pace); err != nil {
		return failed("the start was ended")
	}
	if s.host.spend(s.pkg, func(p *Play) *int { return &p.StartFails }) {
		s.print(logseg.Stderr, "main", "cannot listen: the address is in use")
		return failed("cannot listen: the address is in use")
	}
	page, err := s.listen()
	if err != nil {
		return failed("cannot listen: %v", err)
	}
	if err := s.enter(running); err != nil {
		page.Close()
		return failed("the host refused an effect: %v", err)
	}
	group.Go(func() { s.serve(running, page) })
	group.Go(func() { s.watch(running) })
	return nil
}

// enter makes the subcontainer of the service from its first image, where it has one; later starts stay in it.
func (s *service) enter(ctx context.Context) error {
	s.mu.Lock()
	entered := s.entered
	s.mu.Unlock()
	if entered {
		return nil
	}
	resp, err := s.fx.GetServiceManifest(ctx, &effectsv1.GetServiceManifestRequest{PackageId: s.pkg})
	if err != nil {
		return err
	}
	var manifest struct {
		Images map[string]any `json:"images"`
	}
	if err := json.Unmarshal(resp.GetValue(), &manifest); err != nil || len(manifest.Images) == 0 {
		return err
	}
	image, name := slices.Min(slices.Collect(maps.Keys(manifest.Images))), played
	if _, err := s.fx.SubcontainerCreateFs(ctx, &effectsv1.SubcontainerCreateFsRequest{ImageId: image, Name: &name}); err != nil {
		return err
	}
	s.mu.Lock()
	s.entered = true
	s.mu.Unlock()
	return nil
}

// stop ends what start began. It is an order to a start that hangs, too.
func (s *service) stop(ctx context.Context) error {
	s.print(logseg.Stdout, "main", "main is being ended")
	if err := sleep(ctx, s.host.play(s.pkg).StopTakes); err != nil {
		return err
	}
	s.endMain()
	return nil
}

func (s *service) endMain() {
	s.mu.Lock()
	stop, group := s.stopMain, s.main
	s.stopMain = nil
	s.mu.Unlock()
	if stop != nil {
		stop()
		group.Wait()
	}
}

// watch reports the health as it is played, prints a line now and then, and crashes when it is time to.
func (s *service) watch(ctx context.Context) {
	const heartbeat = time.Minute
	var crash <-chan time.Time
	if s.host.spend(s.pkg, func(p *Play) *int { return &p.Crashes }) {
		crash = time.After(s.host.play(s.pkg).CrashAfter)
	}
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		if s.host.play(s.pkg).Unhealthy {
			s.health(ctx, "failure", "The page is not ready")
		} else {
			s.health(ctx, "success", "The page is ready")
		}
		select {
		case <-ctx.Done():
			return
		case <-s.nudged:
		case <-tick.C:
			s.print(logseg.Stdout, "main", "all is quiet")
		case <-crash:
			s.crash()
			return
		}
	}
}

// crash ends the package's code as a mistake in it would.
func (s *service) crash() {
	s.print(logseg.Stderr, "main", "it crashes, as it was told to")
	s.agent.crash()
}

func (s *service) nudge() {
	select {
	case s.nudged <- struct{}{}:
	default:
	}
}

// health reports what the one check found. What the host refuses is for its log, not for ours.
func (s *service) health(ctx context.Context, result, message string) {
	_, _ = s.fx.SetHealth(ctx, &effectsv1.SetHealthRequest{Id: checkID, Name: checkName, Result: result, Message: &message})
}

// listen opens the port of the page, at the place that stands for the container's address.
func (s *service) listen() (net.Listener, error) {
	if s.c.spec.Network == nil {
		return nil, errors.New("the container has no network")
	}
	path := s.host.Upstream(netip.AddrPortFrom(s.c.spec.Network.Address.Addr(), webPort))
	if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", path)
}

// serve answers the page until ctx ends.
func (s *service) serve(ctx context.Context, lis net.Listener) {
	server := &http.Server{Handler: http.HandlerFunc(s.page), ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	_ = server.Serve(lis) // ends by Close alone
}

func (s *service) page(w http.ResponseWriter, r *http.Request) {
	s.print(logseg.Stdout, "web", "%s %q", r.Method, r.URL.Path)
	s.mu.Lock()
	g := s.greeting
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>%[1]s</title>\n<body style=\"background:%[2]s;color:#fff;font:2rem system-ui\">\n<h1>%[1]s</h1><p>The service %[3]s is played by a sandbox.</p>\n",
		html.EscapeString(g.Greeting), html.EscapeString(g.Color), html.EscapeString(s.pkg))
}
