package bench_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
)

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
			for _, name := range names {
				s.codeAnswers(b, name)
			}
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

// codeAnswers returns when the code of a package has answered, which takes its container, its agent and its program.
func (s *server) codeAnswers(b *testing.B, pkg string) {
	b.Helper()
	waitFor(b, time.Minute, func() bool {
		_, err := s.client.Actions.GetActionInput(b.Context(), &actionsv1.GetActionInputRequest{PackageId: pkg, ActionId: "set-greeting"})
		return err == nil
	})
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
