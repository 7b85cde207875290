// Command hearthd is the daemon of a Hearth server. It decides and records; what serves people and services while they
// use them (containers, the front door) goes on without it.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/server/internal/daemon"
	"github.com/hearthos/hearth/server/internal/door"
	"github.com/hearthos/hearth/server/internal/host/netdev"
	"github.com/hearthos/hearth/server/internal/host/platform"
	"github.com/hearthos/hearth/server/internal/host/sandbox"
	"github.com/hearthos/hearth/server/internal/journal"
)

// Version is set when the program is built.
var Version = "development"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "key" {
		os.Exit(keyCommand(os.Args[2:], os.Stdout, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == "store" {
		os.Exit(storeCommand(os.Args[2:], os.Stdout, os.Stderr))
	}
	cfg := daemon.DefaultConfig()
	cfg.Version = Version
	if dir := os.Getenv("HEARTH_STATE"); dir != "" {
		cfg.StateDir = dir
	}
	level, format := cmp.Or(os.Getenv("HEARTH_LOG"), "info"), cmp.Or(os.Getenv("HEARTH_LOG_FORMAT"), string(journal.Text))
	cfg.Collector = os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
	flag.StringVar(&cfg.StateDir, "state", cfg.StateDir, "folder of everything that must survive a reboot; $HEARTH_STATE")
	flag.StringVar(&cfg.RunRoot, "run", cfg.RunRoot, "folder of sockets and mounts")
	flag.StringVar(&cfg.Mode, "mode", daemon.ModeAuto, "what the server stands on: auto, image, hosted, or sandbox, which plays services and needs no root")
	flag.StringVar(&cfg.BinDir, "bin", cfg.BinDir, "folder of the other programs")
	flag.StringVar(&cfg.Socket, "socket", cfg.Socket, "a further name of the local socket; /run/hearth/hearthd.sock with the default state")
	flag.IntVar(&cfg.WebPort, "web-port", cfg.WebPort, "port of the page and of every wire but native gRPC")
	flag.IntVar(&cfg.HTTPPort, "http-port", cfg.HTTPPort, "port of plain HTTP, which leads to the other one")
	flag.StringVar(&cfg.GRPCAddress, "grpc", cfg.GRPCAddress, "address of native gRPC")
	flag.Int64Var(&cfg.ServicesMemory, "services-memory", cfg.ServicesMemory, "MiB of memory that all services may use together, one of them three quarters of it; 0 for what the machine can spare")
	flag.Int64Var(&cfg.ServicesProcesses, "services-processes", cfg.ServicesProcesses, "processes that all services may have together, one of them half of it; 0 for what the machine can spare")
	flag.DurationVar(&cfg.ParkAfter, "park-after", cfg.ParkAfter, "how long a stopped service keeps its container when nothing asks for it, as in 5m; 0 for ever")
	clean := flag.Bool("clean-host", false, "remove everything this server made on the machine except its state, and end")
	flag.Usage = func() {
		fmt.Fprintf(os.Stderr, "Usage of hearthd:\n  hearthd [flags]        run the server\n  hearthd store COMMAND  look at the state of a server that is stopped; see 'hearthd store'\n  hearthd key recover    write the root key's file again when it was lost\n\n")
		flag.PrintDefaults()
	}
	flag.StringVar(&level, "log", level, "least level of what is logged: debug, info, warn, error; $HEARTH_LOG")
	flag.StringVar(&format, "log-format", format, "how it is logged: text or json; $HEARTH_LOG_FORMAT")
	flag.StringVar(&cfg.Collector, "collector", cfg.Collector, "where to send traces and figures by OTLP, as http://127.0.0.1:4317; $OTEL_EXPORTER_OTLP_ENDPOINT")
	flag.Parse()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	follow(&cfg, given)
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "hearthd does not take the argument %q; a command comes before its flags, as in 'hearthd store check --state DIR'. See hearthd --help.\n", flag.Arg(0))
		os.Exit(2)
	}
	log, err := journal.New(os.Stderr, level, journal.Format(format))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	err = run(cfg, *clean, log)
	if errors.Is(err, daemon.ErrRestart) {
		err = again()
	}
	if err != nil {
		attrs := []any{"error", err}
		if errors.As(err, new(*fault.Error)) {
			attrs = append(attrs, "remedy", fault.Info(fault.Reason(err)).GetRemedy())
		}
		log.Error("hearthd ends", attrs...)
		os.Exit(1)
	}
}

func run(cfg daemon.Config, clean bool, log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if cfg.Socket == "" && cfg.StateDir == daemon.DefaultConfig().StateDir {
		cfg.Socket = "/run/hearth/hearthd.sock" // where the command line looks first
	}
	for _, dir := range []*string{&cfg.StateDir, &cfg.RunRoot, &cfg.BinDir} {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return err
		}
		*dir = abs
	}
	if clean {
		return daemon.CleanHost(ctx, cfg, log)
	}
	if cfg.Mode == daemon.ModeSandbox {
		return play(ctx, cfg, log)
	}
	d, err := daemon.New(cfg, log)
	if err != nil {
		return err
	}
	return d.Run(ctx)
}

// again starts the program that is on disk now in place of this one: the process stays, and whoever watches over it.
func again() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return fmt.Errorf("cannot restart: %w", syscall.Exec(strings.TrimSuffix(program, " (deleted)"), os.Args, os.Environ()))
}

// pace is how long played services take for what real ones take a moment for.
const pace = time.Second

// play runs the server in a sandbox: the network is looked at, and nothing is changed.
func play(ctx context.Context, cfg daemon.Config, log *slog.Logger) error {
	links, err := netdev.New()
	if err != nil {
		return err
	}
	defer links.Close()
	cfg.Sandbox = sandbox.New(sandbox.Options{Links: links, Bridge: cfg.Bridge, Pace: pace})
	cfg.PlayedDoor = func(ctx context.Context, lis net.Listener) error {
		return door.Serve(ctx, lis, door.Options{Sockets: door.DirectSockets{}, Log: log.With("process", "door")}, Version)
	}
	defer cfg.Sandbox.Close()
	d, err := daemon.New(cfg, log)
	if err != nil {
		return err
	}
	return d.Run(ctx)
}

// follow changes the defaults of what no flag said by the mode: the image has the ports that browsers expect, a sandbox
// without root has all it needs in its state.
func follow(cfg *daemon.Config, given map[string]bool) {
	machine := platform.Here(cfg.StateDir, cfg.BinDir)
	image := cfg.Mode == daemon.ModeImage || cfg.Mode == daemon.ModeAuto && machine.Platform().Mode == platform.Image
	if image && !given["web-port"] {
		cfg.WebPort = 443
	}
	if image && !given["http-port"] {
		cfg.HTTPPort = 80
	}
	if cfg.Mode == daemon.ModeSandbox && machine.UID != 0 && !given["run"] {
		cfg.RunRoot = filepath.Join(cfg.StateDir, "run")
	}
}
