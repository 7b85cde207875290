package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/server/internal/host/sandbox"
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
	// ServicesMemory in MiB and ServicesProcesses are what all services may use together; 0 is what the machine can spare.
	ServicesMemory, ServicesProcesses int64
	// ParkAfter is for how long a stopped service keeps a container that nothing asks for; 0 is for ever.
	ParkAfter time.Duration
	// Mode is what the server was told to stand on; empty for what the machine looks like.
	Mode string
	// Sandbox is the machine that is played instead of the real one, with Mode "sandbox" alone.
	Sandbox *sandbox.Host
	// PlayedDoor is the front door of a sandbox: it answers hearth.door.v1 on a listener until ctx ends. It is the real one,
	// within this process: nobody's connections have to outlive it.
	PlayedDoor func(ctx context.Context, lis net.Listener) error
}

// Modes are the values of Config.Mode.
const (
	ModeAuto    = "auto"
	ModeImage   = "image"
	ModeHosted  = "hosted"
	ModeSandbox = "sandbox"
)

// DefaultConfig is the configuration of a server installed on a machine of its own choice of ports.
func DefaultConfig() Config {
	hostname, _ := os.Hostname()
	return Config{
		StateDir: "/var/lib/hearth", RunRoot: "/run/hearth", BinDir: "/usr/lib/hearth",
		WebPort: abi.PagePort, HTTPPort: abi.PlainPort, GRPCAddress: net.JoinHostPort("127.0.0.1", strconv.Itoa(abi.ProgramsPort)),
		Bridge: netip.MustParsePrefix("10.0.3.1/24"), FirstUID: 1 << 20, DoorUID: 65533,
		Hostname: hostname, ParkAfter: 2 * time.Minute,
	}
}

// check refuses a configuration with which no daemon could run.
func (c Config) check() error {
	for _, dir := range []string{c.StateDir, c.RunRoot, c.BinDir} {
		if !filepath.IsAbs(dir) {
			return fmt.Errorf("cannot use the folder %q: it must be absolute", dir)
		}
	}
	if err := c.checkMode(os.Geteuid()); err != nil {
		return err
	}
	if c.ParkAfter < 0 {
		return fmt.Errorf("cannot keep the container of a stopped service for %s: give a time of 0 or more", c.ParkAfter)
	}
	if c.ServicesMemory < 0 || c.ServicesMemory > 1<<30 || c.ServicesMemory > 0 && c.ServicesMemory < 64 {
		return fmt.Errorf("cannot give services %d MiB of memory: it is 64 or more", c.ServicesMemory)
	}
	if c.ServicesProcesses < 0 || c.ServicesProcesses > 0 && c.ServicesProcesses < 100 {
		return fmt.Errorf("cannot give services %d processes: it is 100 or more", c.ServicesProcesses)
	}
	for _, p := range []int{c.WebPort, c.HTTPPort} {
		if p < 1 || p > 65535 {
			return fmt.Errorf("cannot use the port %d", p)
		}
	}
	if c.Sandbox != nil {
		return nil // it is all there is
	}
	for _, name := range []string{"hearth-lxc", "hearth-door", "hearth-agent", "jshost/index.mjs", "jshost/legacy.mjs", "rootfs.squashfs"} {
		if _, err := os.Stat(filepath.Join(c.BinDir, name)); err != nil {
			return fmt.Errorf("cannot find a part of the installation: %w", err)
		}
	}
	return nil
}

// converter is the program that converts package files of the first format: the command line's, which a package of the system
// has elsewhere than the server's own.
func (c Config) converter() string {
	path := filepath.Join(c.BinDir, "hearth")
	if _, err := os.Stat(path); err != nil {
		return "hearth"
	}
	return path
}

// checkMode refuses what the process cannot be, before anything is touched.
func (c Config) checkMode(uid int) error {
	switch {
	case !slices.Contains([]string{"", ModeAuto, ModeImage, ModeHosted, ModeSandbox}, c.Mode):
		return fmt.Errorf("cannot run in mode %q: it is auto, image, hosted or sandbox", c.Mode)
	case (c.Mode == ModeSandbox) != (c.Sandbox != nil && c.PlayedDoor != nil):
		return errors.New("cannot run: a sandbox has a machine and a front door that are played, and nothing else has")
	case c.Sandbox == nil && uid != 0:
		return fmt.Errorf("cannot run services as user %d: run hearthd as root, or with --mode sandbox, which plays them", uid)
	}
	return c.checkMark()
}

// sandboxMark is a file in the state of a sandbox.
const sandboxMark = "sandbox"

// checkMark keeps a sandbox and a real server from taking over each other's state: what one says of packages is not true
// for the other.
func (c Config) checkMark() error {
	_, err := os.Stat(filepath.Join(c.StateDir, "store"))
	used := err == nil
	_, err = os.Stat(filepath.Join(c.StateDir, sandboxMark))
	marked := err == nil
	switch {
	case c.Sandbox == nil && marked:
		return fmt.Errorf("cannot use the state in %s: it is a sandbox's; name another folder", c.StateDir)
	case c.Sandbox != nil && used && !marked:
		return fmt.Errorf("cannot play with the state in %s: it is a real server's; name another folder", c.StateDir)
	}
	return nil
}

// reservedPorts are those services never get because the server itself has them, besides that of its page.
func (c Config) reservedPorts() []uint32 {
	ports := []uint32{uint32(c.HTTPPort), abi.SocksPort}
	if _, port, err := net.SplitHostPort(c.GRPCAddress); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			ports = append(ports, uint32(n))
		}
	}
	return ports
}
