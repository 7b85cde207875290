package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/cli/internal/watched"
	"github.com/hearthos/hearth/clients/go"
)

// dev is a package that is being worked on.
type dev struct {
	packing
	build  string
	ignore []string
	accept bool

	*app   // prints into the view
	view   *devView
	client *hearth.Client
	dir    string

	id      string // known when it was packed first
	fail    context.CancelCauseFunc
	workers sync.WaitGroup
	reads   chan struct{} // holds one while the log is followed
}

func (a *app) devCommand() *cobra.Command {
	d := &dev{}
	c := &cobra.Command{
		Use: "dev DIR", Short: "Work on a package: rebuild and reinstall it on each change", Args: cobra.ExactArgs(1),
		Long: `Work on the package project in a folder. It is built, packed for the server's
architecture and installed, and that again each time something in the folder changes.
What the service prints, what becomes of it and what its health checks find is shown
meanwhile, as lines; on a terminal the last line says how things are.

A build or an installation that fails is told, and the next change tries again. The data
of the service stay; what a changed version does to them is what its migrations say.
Hidden files, node_modules, javascript and package files are not looked at, nor what
--ignore says. Ctrl-C ends it, and the service stays installed.`,
		Example: `  hearth keys init
  hearth package dev .
  hearth package dev . --build 'make javascript/index.js' --ignore '*.log'
  hearth --host https://server:8443 package dev my-page | tee log`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if info, err := os.Stat(args[0]); err != nil || !info.IsDir() {
				return wrong("usage.not-a-folder", "Path", args[0])
			}
			a.at = args[0]
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				d.client, d.dir, d.view = c, args[0], newDevView(a)
				d.app = d.view.app()
				return d.run(ctx)
			})
		},
	}
	c.Flags().StringVar(&d.build, "build", "npm run --silent build", "what makes javascript/index.js, for the shell; nothing with an empty text")
	c.Flags().StringArrayVar(&d.ignore, "ignore", nil, "pattern of names or paths whose changes are no changes; may be repeated")
	c.Flags().BoolVarP(&d.accept, "yes", "y", false, "update also when somebody else has signed what is installed")
	d.flags(c)
	return c
}

// run goes on until ctx ends, or until the server can no longer be watched.
func (d *dev) run(ctx context.Context) error {
	if _, err := d.loadKey(d.key); err != nil {
		return err
	}
	var err error
	if d.archs, err = d.serversArchitecture(ctx, d.client); err != nil {
		return err
	}
	folder, err := watched.Open(d.dir, d.ignore)
	if err != nil {
		return unable("failed.watch", err, "Name", d.dir)
	}
	defer folder.Close()
	working, fail := context.WithCancelCause(ctx)
	d.fail, d.reads = fail, make(chan struct{}, 1)
	defer d.view.end()
	defer d.workers.Wait()
	defer fail(nil)
	for err == nil {
		if err = d.round(working); err == nil {
			d.view.do(d.say("dev.waiting", nil))
			err = folder.Next(working)
		}
	}
	if ctx.Err() == nil {
		return cmp.Or(context.Cause(working), err)
	}
	if errors.As(err, new(interrupted)) {
		return err // it says what goes on
	}
	if d.view.end(); d.id != "" && !d.rows() {
		fmt.Fprintln(d.Err, d.say("dev.ended", map[string]any{"ID": d.id}))
	}
	return nil
}

// serversArchitecture is what is packed for that server.
func (a *app) serversArchitecture(ctx context.Context, c *hearth.Client) ([]string, error) {
	caps, err := c.System.GetCapabilities(ctx, &systemv1.GetCapabilitiesRequest{})
	return []string{caps.GetPlatform().GetArchitecture()}, err
}

// round builds, packs and installs. What a change of the project may mend is told and is no error.
func (d *dev) round(ctx context.Context) error {
	begun := time.Now()
	err := d.make(ctx)
	if err == nil {
		err = d.event("installed", map[string]any{"id": d.id, "seconds": time.Since(begun).Seconds()},
			d.say("dev.installed", map[string]any{"ID": d.id, "Seconds": fmt.Sprintf("%.1f", time.Since(begun).Seconds())}))
	}
	if err == nil || ctx.Err() != nil || errors.As(err, new(usageError)) {
		return err
	}
	d.printError(err)
	return d.event("failed", map[string]any{"message": err.Error()}, d.say("dev.failed", nil))
}

// event tells something that happened, as a row or as a line of its own kind among those of others.
func (a *app) event(kind string, row map[string]any, line string) error {
	if a.rows() {
		row["event"] = kind
		return a.printRow(row)
	}
	_, err := fmt.Fprintf(a.Out, "* %s\n", line)
	return err
}

func (d *dev) make(ctx context.Context) error {
	if d.build != "" {
		d.view.do(d.say("dev.building", nil))
	}
	if err := d.runBuild(ctx, d.dir, d.build); err != nil {
		return err
	}
	d.view.do(d.say("dev.packing", nil))
	work, err := newScratch("")
	if err != nil {
		return err
	}
	defer work.remove()
	flags, silent := d.packing, *d.app
	flags.out, silent.quiet = work.path("package.s9pk"), true
	p, _, err := silent.packed(ctx, d.dir, flags)
	if err != nil {
		return err
	}
	if err := d.observe(ctx, string(p.manifest.ID)); err != nil {
		return err
	}
	return d.install(ctx, flags.out)
}

// runBuild makes the code of a project; with no command there is nothing to do.
func (a *app) runBuild(ctx context.Context, dir, build string) error {
	if build == "" {
		return nil
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", build)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	endsWhole(cmd)
	said := &lines{told: func(line string) { fmt.Fprintf(a.Err, "build: %s\n", printLog(line)) }}
	cmd.Stdout, cmd.Stderr = said, said
	err := cmd.Run()
	said.end()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return fault.New(metav1.Reason_REASON_PROGRAM_MISSING, "cannot build: the program sh is not installed")
	case err != nil:
		return fault.New(metav1.Reason_REASON_PROJECT_INVALID, "cannot build: %s: %v", build, err)
	}
	return nil
}

// install sends the package file and follows what the server makes of it.
func (d *dev) install(ctx context.Context, path string) error {
	show := &progress{a: d.app, live: d.view.live, told: map[string]bool{}, draw: d.view.do}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	ticket, err := d.client.Upload(ctx, f, info.Size(), func(done, total int64) {
		show.set(d.say("progress.sending", nil), float64(done)/float64(total), size(uint64(done))+" / "+size(uint64(total)))
	})
	if err != nil {
		return err
	}
	// Nobody waits until it is well: what is being worked on may be ill, and is looked at here.
	resp, err := d.client.Packages.InstallPackage(ctx, &packagesv1.InstallPackageRequest{
		Ticket: ticket, Start: true, AcceptSigner: d.accept, AcceptBreakage: true, HealthLimit: durationpb.New(0),
	})
	if err != nil {
		d.client.DropUpload(ctx, ticket)
		return err
	}
	_, err = d.follow(ctx, d.client, resp.GetOperation().GetMeta().GetId(), show)
	return err
}

// observe begins to show what becomes of the package, before it is installed first.
func (d *dev) observe(ctx context.Context, id string) error {
	switch d.id {
	case id:
		return nil
	case "":
	default:
		return fault.New(metav1.Reason_REASON_PROJECT_INVALID, "the package was %s and is now %s: begin anew with it", d.id, id)
	}
	d.id = id
	seen := make(chan struct{})
	d.workers.Go(func() { d.watch(ctx, seen) })
	select {
	case <-seen:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// watch shows states and health until ctx ends; seen is closed when what was there is known.
func (d *dev) watch(ctx context.Context, seen chan struct{}) {
	known := false
	targets := []*statev1.Target{{Id: "p", Selectors: []*statev1.Selector{{Kind: "package", Id: d.id}, {Kind: "healthcheck", Parent: d.id}}}}
	err := d.client.Watch(ctx, targets, func(u *statev1.Update) (bool, error) {
		for _, ch := range u.GetChanges() {
			if err := d.changed(ctx, ch, known); err != nil {
				return false, err
			}
		}
		if u.GetBookmark() != "" && !known {
			known = true
			close(seen)
		}
		return false, nil
	})
	if err != nil && ctx.Err() == nil {
		d.fail(err)
	}
}

// changed shows a change. A service that was there before has had its say; of one that comes now every line is shown.
func (d *dev) changed(ctx context.Context, ch *statev1.Change, fresh bool) error {
	if ch.GetKind() == "healthcheck" {
		st := ch.GetResource().GetHealthCheck().GetStatus()
		if !d.view.checked(ch.GetId(), st) {
			return nil
		}
		return d.event("health", map[string]any{"check": ch.GetId(), "name": st.GetName(), "result": word(st.GetResult()), "message": st.GetMessage()},
			printable(st.GetName())+": "+word(st.GetResult())+"  "+printable(st.GetMessage()))
	}
	p := ch.GetResource().GetPackage()
	if p != nil {
		d.readLog(ctx, fresh)
	}
	state := ""
	if p != nil {
		state = stateNow(p)
	}
	if !d.view.became(state) || p == nil {
		return nil
	}
	line := state
	if f := p.GetStatus().GetFault(); f != nil {
		line += "  " + printable(f.GetMessage())
	}
	return d.event("state", map[string]any{"id": d.id, "version": p.GetSpec().GetVersion(), "state": state, "fault": p.GetStatus().GetFault().GetMessage()}, line)
}

// readLog follows the log of the package, unless that is done already, until ctx ends or the package is gone.
func (d *dev) readLog(ctx context.Context, fresh bool) {
	select {
	case d.reads <- struct{}{}:
	default:
		return
	}
	req := &logsv1.ReadLogsRequest{PackageId: d.id, Follow: true}
	if !fresh {
		req.Tail = new(int32)
	}
	d.workers.Go(func() {
		err := d.client.ReadLogs(ctx, req, d.logLine)
		<-d.reads
		if err != nil && ctx.Err() == nil && !fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) {
			d.fail(err)
		}
	})
}

func (d *dev) logLine(e *logsv1.LogEntry) error {
	if !d.rows() {
		return d.printLine(e)
	}
	row := flatten(e)
	row["event"] = "log"
	return d.printRow(row)
}
