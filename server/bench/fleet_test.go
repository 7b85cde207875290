package bench_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	agentv1 "github.com/hearthos/hearth/api/gen/go/hearth/agent/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/lxc/lxctest"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/host/mount/mounttest"
)

// BenchmarkLoad reports how long the package's code takes to be loaded, from the agent's first answer on.
func BenchmarkLoad(b *testing.B) {
	s := newServer(b)
	s.install(b)
	told, err := s.client.Server(b.Context())
	must(b, err)
	socket := filepath.Join("/run/hearth", told.GetTag(), "s", sample, "meeting/rpc/agent.sock")
	var loaded []float64
	for b.Loop() {
		before := s.status(b, sample)
		_, err := s.client.Packages.RebuildPackage(b.Context(), &packagesv1.RebuildPackageRequest{Id: sample})
		must(b, err)
		var took time.Duration
		waitFor(b, time.Minute, func() bool {
			took = loads(b, socket, before.GetContainer())
			return took > 0
		})
		loaded = append(loaded, milliseconds(took))
		waitFor(b, time.Minute, func() bool {
			now := s.status(b, sample)
			return now.GetContainer() != before.GetContainer() && now.GetState() == packagesv1.PackageStatus_STATE_RUNNING
		})
	}
	report(b, median(loaded), "agent-to-loaded-ms")
	b.ReportMetric(0, "ns/op")
}

// loads watches another agent than that of a container from its first answer until its code is loaded; 0: it is not there.
func loads(b *testing.B, socket, not string) time.Duration {
	if _, err := os.Stat(socket); err != nil {
		return 0
	}
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(b, err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	agent := agentv1.NewAgentServiceClient(conn)
	first, err := agent.GetState(ctx, &agentv1.GetStateRequest{})
	if err != nil || first.GetContainer() == not {
		return 0
	}
	begun := time.Now()
	stream, err := agent.WatchState(ctx, &agentv1.WatchStateRequest{})
	must(b, err)
	for {
		st, err := stream.Recv()
		must(b, err)
		if st.GetState().GetPhase() != agentv1.State_PHASE_LOADING {
			return time.Since(begun)
		}
	}
}

// status is the status of a package.
func (s *server) status(b *testing.B, pkg string) *packagesv1.PackageStatus {
	b.Helper()
	resp, err := s.client.Packages.GetPackage(b.Context(), &packagesv1.GetPackageRequest{Id: pkg})
	must(b, err)
	return resp.GetPackage().GetStatus()
}

// BenchmarkPort starts the service of the sample until its page answers at its own address, and, by turns, the same web
// server with the same configuration as the init of a container that lxc-start starts from the same image.
func BenchmarkPort(b *testing.B) {
	s := newServer(b)
	s.install(b)
	told, err := s.client.Server(b.Context())
	must(b, err)
	bare := newBareWeb(b, filepath.Join(s.bin, sample+".s9pk"), "h"+told.GetTag()+"br0")
	address := s.status(b, sample).GetIpv4()
	s.stopService(b, sample)
	var ours, theirs []float64
	for b.Loop() {
		ours = append(ours, timed(func() {
			_, err := s.client.Packages.StartPackage(b.Context(), &packagesv1.StartPackageRequest{Id: sample})
			must(b, err)
			serves(b, address)
		}))
		s.stopService(b, sample)
		theirs = append(theirs, timed(func() {
			bare.lxcStart(b, bare.machine, bare.file)
			serves(b, bareAddress)
		}))
		bare.lxcStop(b, bare.machine)
	}
	report(b, median(ours), "start-to-port-ms")
	report(b, median(theirs), "lxc-start-to-port-ms")
	report(b, median(ours)/median(theirs), "ratio")
	b.ReportMetric(0, "ns/op")
}

// stopService stops the service of a package, and waits until it has.
func (s *server) stopService(b *testing.B, pkg string) {
	b.Helper()
	_, err := s.client.Packages.StopPackage(b.Context(), &packagesv1.StopPackageRequest{Id: pkg})
	must(b, err)
	s.reaches(b, packagesv1.PackageStatus_STATE_STOPPED, pkg)
}

// reaches waits until packages are in a state.
func (s *server) reaches(b *testing.B, state packagesv1.PackageStatus_State, packages ...string) {
	b.Helper()
	for _, pkg := range packages {
		waitFor(b, 5*time.Minute, func() bool { return s.status(b, pkg).GetState() == state })
	}
}

// serves returns when a page is answered.
func serves(b *testing.B, address string) {
	b.Helper()
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	waitFor(b, time.Minute, func() bool {
		resp, err := client.Get("http://" + address + "/")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// bareAddress is one on the bridge that no service gets.
const bareAddress = "10.0.3.250"

// bareWeb is the sample's web server as the init of a container of lxc-start.
type bareWeb struct {
	*container
	machine *lxctest.Machine
	file    string
}

func newBareWeb(b *testing.B, pkg, bridge string) bareWeb {
	b.Helper()
	f, err := os.Open(pkg)
	must(b, err)
	defer f.Close()
	info, err := f.Stat()
	must(b, err)
	file, err := s9pk.Open(f, info.Size(), s9pk.Options{})
	must(b, err)
	layout, err := file.Layout(map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH])
	must(b, err)
	image, assets := layout.Images[0].Squashfs, layout.Assets
	section, err := file.Section(image)
	must(b, err)
	m := &lxctest.Machine{Config: lxc.Config{RunDir: mounttest.RunDir(b), CgroupParent: "hearth-test"}, Mounts: mount.New()}
	b.Cleanup(func() {
		must(b, mount.UnmountBelow(m.Config.RunDir))
		m.Mounts.Close()
	})
	mounted, upper := filepath.Join(m.Config.RunDir, "bare"), b.TempDir()
	ids := mount.Options{IDMap: idmap.Base(lxctest.IDBase), ReadOnly: true}
	must(b, m.Mounts.Ensure(mounted+"/lower", mount.Squashfs{File: pkg, Offset: section.Offset, Size: section.Size}, ids))
	root := mounted + "/root"
	must(b, m.Mounts.Ensure(root, mount.Overlay{Lower: []string{mounted + "/lower"}, Upper: upper + "/up", Work: upper + "/work", Owner: lxctest.IDBase}, mount.Options{}))
	section, err = file.Section(assets)
	must(b, err)
	must(b, m.Mounts.Ensure(root+"/etc/hello-hearth", mount.Squashfs{File: pkg, Offset: section.Offset, Size: section.Size}, ids))
	must(b, os.MkdirAll(root+"/data/www", 0o755))
	must(b, os.WriteFile(root+"/data/www/index.html", []byte("<html>hello</html>"), 0o644))
	c := &container{spec: lxc.Spec{
		Name: "bare", Rootfs: root, IDBase: lxctest.IDBase, Hostname: "bare", Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
		Network: &lxc.Network{Interface: "hvbare", Bridge: bridge, Address: netip.MustParsePrefix(bareAddress + "/24"), Gateway: lxctest.GatewayAddress},
	}}
	return bareWeb{container: c, machine: m, file: c.config(b, m, "/usr/sbin/lighttpd -D -f /etc/hello-hearth/lighttpd.conf")}
}

// BenchmarkFleet installs twenty services and starts them at once, kills the daemon under them, and stops them.
func BenchmarkFleet(b *testing.B) {
	const services = 20
	s := newServer(b)
	var names []string
	for i := range services {
		names = append(names, fmt.Sprintf("fleet-%d", i))
		s.installAs(b, names[i])
	}
	var healthy, stopped, adopted, each, daemon []float64
	for b.Loop() {
		healthy = append(healthy, timed(func() {
			for _, name := range names {
				_, err := s.client.Packages.StartPackage(b.Context(), &packagesv1.StartPackageRequest{Id: name})
				must(b, err)
			}
			for _, name := range names {
				waitFor(b, 5*time.Minute, func() bool { return s.healthy(b, name) })
			}
		}))
		time.Sleep(15 * time.Second) // what starting left behind is given back
		told, err := s.client.Server(b.Context())
		must(b, err)
		sum := 0.0
		for pid := range inCgroup(b, told.GetTag(), "/fleet-") {
			sum += memoryOf(b, pid).pss
		}
		each = append(each, sum/services)
		daemon = append(daemon, memoryOf(b, s.daemon.Process.Pid).rss)
		s.end(syscall.SIGKILL)
		adopted = append(adopted, timed(func() {
			s.begin(b, s.log)
			s.reaches(b, packagesv1.PackageStatus_STATE_RUNNING, names...)
		}))
		stopped = append(stopped, timed(func() {
			for _, name := range names {
				_, err := s.client.Packages.StopPackage(b.Context(), &packagesv1.StopPackageRequest{Id: name})
				must(b, err)
			}
			s.reaches(b, packagesv1.PackageStatus_STATE_STOPPED, names...)
		}))
	}
	report(b, services, "services")
	report(b, median(healthy), "all-healthy-ms")
	report(b, median(each), "pss-each-MiB")
	report(b, median(daemon), "daemon-rss-MiB")
	report(b, median(adopted), "adopted-ms")
	report(b, median(stopped), "all-stopped-ms")
	b.ReportMetric(0, "ns/op")
}

// healthy tells whether a service runs and its checks succeed.
func (s *server) healthy(b *testing.B, pkg string) bool {
	b.Helper()
	resp, err := s.client.Packages.GetPackage(b.Context(), &packagesv1.GetPackageRequest{Id: pkg})
	must(b, err)
	for _, h := range resp.GetHealthChecks() {
		if h.GetStatus().GetResult() != packagesv1.HealthCheckStatus_RESULT_SUCCESS {
			return false
		}
	}
	return len(resp.GetHealthChecks()) > 0 && resp.GetPackage().GetStatus().GetState() == packagesv1.PackageStatus_STATE_RUNNING
}

// installAs installs the sample under another id and leaves it stopped.
func (s *server) installAs(b *testing.B, id string) {
	b.Helper()
	file := repacked(b, id)
	ticket, err := s.client.Upload(b.Context(), bytes.NewReader(file), int64(len(file)), nil)
	must(b, err)
	resp, err := s.client.Packages.InstallPackage(b.Context(), &packagesv1.InstallPackageRequest{Ticket: ticket})
	must(b, err)
	waitFor(b, 2*time.Minute, func() bool {
		op, err := s.client.Operations.GetOperation(b.Context(), &operationsv1.GetOperationRequest{Id: resp.GetOperation().GetMeta().GetId()})
		must(b, err)
		if op.GetOperation().GetStatus().GetState() == operationsv1.OperationStatus_STATE_FAILED {
			b.Fatalf("%s is not installed: %v", id, op.GetOperation().GetStatus().GetFault())
		}
		return op.GetOperation().GetStatus().GetState() == operationsv1.OperationStatus_STATE_SUCCEEDED
	})
}

// repacked is the sample's file as that of another package: its code knows its id, too.
func repacked(b *testing.B, id string) []byte {
	b.Helper()
	raw, err := os.ReadFile(filepath.Join(bin(b), sample+".s9pk"))
	must(b, err)
	file, err := s9pk.Open(bytes.NewReader(raw), int64(len(raw)), s9pk.Options{})
	must(b, err)
	members := map[string]merkle.Source{}
	for e := range file.All() {
		if e.Kind != merkle.File || e.Path == s9pk.PathManifest {
			continue
		}
		content, err := file.ReadFile(e.Path, 1<<30)
		must(b, err)
		if e.Path == s9pk.PathJavaScript {
			content = renamed(b, content, id)
		}
		members[e.Path] = s9pk.FromBytes(content)
	}
	manifest := bytes.Replace(file.ManifestJSON(), []byte(`"id":"`+sample+`"`), []byte(`"id":"`+id+`"`), 1)
	var out bytes.Buffer
	_, err = s9pk.Build(b.Context(), &out, s9pk.BuildInput{Manifest: manifest, Members: members, Key: sign.FromSeed([32]byte{9})})
	must(b, err)
	return out.Bytes()
}

// renamed is the sample's code with another id.
func renamed(b *testing.B, image []byte, id string) []byte {
	b.Helper()
	dir := b.TempDir()
	packed, code := filepath.Join(dir, "code.squashfs"), filepath.Join(dir, "code")
	must(b, os.WriteFile(packed, image, 0o600))
	tool := func(name string, args ...string) {
		if out, err := exec.CommandContext(b.Context(), name, args...).CombinedOutput(); err != nil {
			b.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	tool("unsquashfs", "-quiet", "-no-progress", "-d", code, packed)
	text, err := os.ReadFile(code + "/index.js")
	must(b, err)
	must(b, os.WriteFile(code+"/index.js", []byte(strings.ReplaceAll(string(text), `"`+sample+`"`, `"`+id+`"`)), 0o644))
	tool("mksquashfs", code, packed, "-noappend", "-quiet", "-no-progress", "-all-root")
	image, err = os.ReadFile(packed)
	must(b, err)
	return image
}
