package daemon

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"github.com/hearthos/hearth/server/internal/host/lxc"
)

// Config is what a daemon is started with.
type Config struct {
	// StateDir holds everything that must survive a reboot; RunRoot the rest, in a folder for each instance.
	StateDir, RunRoot string
	// BinDir holds the other programs: hearth-lxc, hearth-door, hearth-agent, jshost/ and rootfs.squashfs.
	BinDir string
	// Socket is where the local socket can be found besides the instance's own folder; empty for nowhere.
	Socket string
	// WebPort and HTTPPort are the ports of the server's own page and of plain HTTP, GRPCAddress that of native gRPC.
	WebPort, HTTPPort int
	GRPCAddress       string
	// Bridge is the server's own address on the bridge between services.
	Bridge netip.Prefix
	// FirstUID is the first id on the host that containers may use; DoorUID the id the front door serves under.
	FirstUID uint32
	DoorUID  int
	// Hostname is what the machine is called.
	Hostname string
	// Collector is where traces and figures are sent by OTLP, as in "http://127.0.0.1:4317"; empty for nowhere.
	Collector string
	Version   string
	Limits    lxc.Limits
}

// DefaultConfig is the configuration of a server installed on a machine of its own choice of ports.
func DefaultConfig() Config {
	hostname, _ := os.Hostname()
	return Config{
		StateDir: "/var/lib/hearth", RunRoot: "/run/hearth", BinDir: "/usr/lib/hearth",
		WebPort: 8443, HTTPPort: 8080, GRPCAddress: "127.0.0.1:5961",
		Bridge: netip.MustParsePrefix("10.0.3.1/24"), FirstUID: 1 << 20, DoorUID: 65533,
		Hostname: hostname, Limits: lxc.Limits{PIDs: 16384, CPUWeight: 100},
	}
}

// check refuses a configuration with which no daemon could run.
func (c Config) check() error {
	for _, dir := range []string{c.StateDir, c.RunRoot, c.BinDir} {
		if !filepath.IsAbs(dir) {
			return fmt.Errorf("cannot use the folder %q: it must be absolute", dir)
		}
	}
	for _, p := range []int{c.WebPort, c.HTTPPort} {
		if p < 1 || p > 65535 {
			return fmt.Errorf("cannot use the port %d", p)
		}
	}
	for _, name := range []string{"hearth-lxc", "hearth-door", "hearth-agent", "jshost/index.mjs", "rootfs.squashfs"} {
		if _, err := os.Stat(filepath.Join(c.BinDir, name)); err != nil {
			return fmt.Errorf("cannot find a part of the installation: %w", err)
		}
	}
	return nil
}

// reservedPorts are those services never get because the server itself has them.
func (c Config) reservedPorts() []uint32 {
	ports := []uint32{uint32(c.WebPort), uint32(c.HTTPPort)}
	if _, port, err := net.SplitHostPort(c.GRPCAddress); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			ports = append(ports, uint32(n))
		}
	}
	return ports
}
