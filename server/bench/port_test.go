package bench_test

import (
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/host/idmap"
	"github.com/hearthos/hearth/server/internal/host/lxc"
	"github.com/hearthos/hearth/server/internal/host/lxc/lxctest"
	"github.com/hearthos/hearth/server/internal/host/mount"
	"github.com/hearthos/hearth/server/internal/host/mount/mounttest"
	"github.com/hearthos/hearth/server/internal/host/netdev"
)

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
	// One that was stopped for a while begins with a new container.
	var parked []float64
	s.end(syscall.SIGTERM)
	s.flags = []string{"--park-after", "10ms"}
	s.begin(b, s.log)
	for range len(ours) {
		s.parkAnew(b, sample)
		parked = append(parked, timed(func() {
			_, err := s.client.Packages.StartPackage(b.Context(), &packagesv1.StartPackageRequest{Id: sample})
			must(b, err)
			serves(b, address)
		}))
		s.stopService(b, sample)
	}
	report(b, median(ours), "start-to-port-ms")
	report(b, median(parked), "parked-to-port-ms")
	report(b, median(parked)/median(theirs), "parked-ratio")
	report(b, median(theirs), "lxc-start-to-port-ms")
	report(b, median(ours)/median(theirs), "ratio")
	b.ReportMetric(0, "ns/op")
}

// parkAnew has a stopped service rebuilt and parked. The SDK leaves a timer for a minute when a main ends, for which parking waits, so
// that here it is the end of a container without one that is waited for.
func (s *server) parkAnew(b *testing.B, pkg string) {
	b.Helper()
	before := s.status(b, pkg).GetObservedRebuilds()
	_, err := s.client.Packages.RebuildPackage(b.Context(), &packagesv1.RebuildPackageRequest{Id: pkg})
	must(b, err)
	waitFor(b, time.Minute, func() bool {
		st := s.status(b, pkg)
		return st.GetState() == packagesv1.PackageStatus_STATE_STOPPED && st.GetContainer() == "" && st.GetObservedRebuilds() > before
	})
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
	address := netip.MustParsePrefix(bareAddress + "/24")
	c := &container{spec: lxc.Spec{
		Name: "bare", Rootfs: root, IDBase: lxctest.IDBase, Hostname: "bare", Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
		Network: &lxc.Network{Interface: "hvbare", Bridge: bridge, Address: address, Gateway: lxctest.GatewayAddress, MAC: netdev.MAC(address.Addr())},
	}}
	return bareWeb{container: c, machine: m, file: c.config(b, m, "/usr/sbin/lighttpd -D -f /etc/hello-hearth/lighttpd.conf")}
}
