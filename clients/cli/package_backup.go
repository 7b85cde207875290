package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) backupCommand() *cobra.Command {
	var noWait bool
	var limit time.Duration
	c := &cobra.Command{
		Use: "backup ID DIRECTORY", Short: "Have a package make a backup into a folder", Args: cobra.ExactArgs(2),
		Long: `Have a package make a backup of its data into a folder of this machine, by the
package's own code. The service is stopped meanwhile and is then what it was; one that runs
and whose package makes its data quiet is not stopped.

In the folder the backup is below the id: ID/data is what the package wrote, ID/ID.s9pk
the file it runs from. A backup that is there already is replaced when the new one is
whole, not before, so there must be room for both. When anything fails, or the
operation is cancelled, it stays as it was.

It takes root on the server itself. The folder must be there, apart from the server's
own, on a file system that keeps owners.`,
		Example: "  hearth package backup nextcloud /mnt/disk/backups\n  hearth package backup nextcloud /mnt/disk/backups --time-limit 2h --no-wait --output json",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			return a.completeInstalled(cmd, args, typed)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := filepath.Abs(args[1])
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Packages.BackupPackage(ctx, &packagesv1.BackupPackageRequest{Id: args[0], Directory: dir, TimeLimit: timeLimit(limit)})
				if err != nil {
					return err
				}
				if noWait {
					return a.printOperations(resp.GetOperation())
				}
				return a.followAndTell(ctx, c, resp.GetOperation(), func() {
					a.tell("package.backed-up", map[string]any{"ID": args[0], "Where": printable(filepath.Join(dir, args[0]))})
				})
			})
		},
	}
	c.Flags().DurationVar(&limit, "time-limit", 0, "how long the package's own code may take (12h)")
	c.Flags().BoolVar(&noWait, "no-wait", false, "print the operation and return at once")
	return c
}

func (a *app) restoreCommand() *cobra.Command {
	var noStart, noWait bool
	var limit time.Duration
	c := &cobra.Command{
		Use: "restore ID DIRECTORY", Short: "Install a package with its data from a backup", Args: cobra.ExactArgs(2),
		Long: `Install a package from the file in a backup, and have its own code take its data from it.
The backup is only read. The package must not be installed, and must have no data.

It takes root on the server itself.`,
		Example: "  hearth package restore nextcloud /mnt/disk/backups",
		// What is to be restored is not installed: nobody knows its id but the folder.
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := filepath.Abs(args[1])
			if err != nil {
				return err
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				return a.restore(ctx, c, args[0], &packagesv1.RestorePackageRequest{Directory: dir, Start: !noStart, TimeLimit: timeLimit(limit)}, !noWait)
			})
		},
	}
	c.Flags().DurationVar(&limit, "time-limit", 0, "how long the package's own code may take (12h)")
	c.Flags().BoolVar(&noStart, "no-start", false, "leave the service stopped")
	c.Flags().BoolVar(&noWait, "no-wait", false, "print the operation and return at once")
	return c
}

func (a *app) restore(ctx context.Context, c *hearth.Client, id string, req *packagesv1.RestorePackageRequest, wait bool) error {
	path := filepath.Join(req.GetDirectory(), id, id+".s9pk")
	f, err := openFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return wrong("usage.no-backup", "ID", id, "Where", req.GetDirectory())
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	show := a.newProgress()
	req.Ticket, err = c.Upload(ctx, f, info.Size(), func(done, total int64) {
		show.set(a.say("progress.sending", nil), float64(done)/float64(total), size(uint64(done))+" / "+size(uint64(total)))
	})
	if err != nil {
		show.end()
		return err
	}
	resp, err := c.Packages.RestorePackage(ctx, req)
	if err != nil {
		c.DropUpload(ctx, req.GetTicket())
		show.end()
		return err
	}
	if !wait {
		show.end()
		return a.printOperations(resp.GetOperation())
	}
	op, err := a.follow(ctx, c, resp.GetOperation().GetMeta().GetId(), show)
	if err != nil {
		return err
	}
	return a.showPackage(ctx, c, op.GetSpec().GetTarget())
}

// printPlan tells what an installation would do.
func (a *app) printPlan(p *packagesv1.InstallPlan) error {
	if a.rows() {
		return a.printRow(flatten(p))
	}
	line := func(text string) { fmt.Fprintln(a.Out, printable(text)) }
	if p.GetFromVersion() == "" {
		line(a.say("plan.install", map[string]any{"ID": p.GetPackageId(), "To": p.GetToVersion()}))
	} else {
		line(a.say("plan.update", map[string]any{"ID": p.GetPackageId(), "From": p.GetFromVersion(), "To": p.GetToVersion()}))
	}
	if p.GetDataVersion() != "" {
		line(a.say("plan.data", map[string]any{"Version": p.GetDataVersion()}))
	}
	if p.GetFromVersion() != "" && p.GetFromRegistry() != p.GetToRegistry() {
		none := func(id string) string { return cmp.Or(id, a.worded("word.no-registry")) }
		line(a.say("plan.registry", map[string]any{"From": none(p.GetFromRegistry()), "To": none(p.GetToRegistry())}))
	}
	if p.GetOtherFlavor() {
		line(a.say("plan.flavor", nil))
	}
	for _, id := range p.GetStopped() {
		line(a.say("plan.stopped", map[string]any{"ID": id}))
	}
	for _, id := range p.GetDependents() {
		line(a.say("plan.dependent", map[string]any{"ID": id}))
	}
	line(a.say("plan.room", map[string]any{"Needed": size(p.GetBytesNeeded()), "Free": size(p.GetBytesFree())}))
	for _, d := range p.GetDependencies() {
		state := d.GetInstalledVersion()
		if state == "" {
			state = a.worded("word.not-installed")
		}
		line(a.say("plan.needs", map[string]any{"ID": d.GetPackageId(), "State": state}))
	}
	what := func(m *packagesv1.Permission) map[string]any { return map[string]any{"What": a.permission(m)} }
	for _, m := range p.GetPermissionsAdded() {
		line(a.say("plan.permission", what(m)))
	}
	for _, m := range p.GetPermissionsRemoved() {
		line(a.say("plan.permission-gone", what(m)))
	}
	for _, f := range p.GetObstacles() {
		line(a.say("plan.obstacle", map[string]any{"Reason": f.GetMessage()}))
	}
	return nil
}

// permission words what a package may do.
func (a *app) permission(m *packagesv1.Permission) string {
	if m.GetKind() == packagesv1.Permission_KIND_NETWORK {
		switch m.GetTarget() {
		case s9pk.NetworkInternet:
			return a.worded("word.reaches-internet")
		case s9pk.NetworkLAN:
			return a.worded("word.reaches-lan")
		}
		if _, err := s9pk.ParseReachedName(m.GetTarget()); err == nil {
			return a.worded("word.reaches-name") + spaced(m.GetTarget())
		}
		return a.worded("word.reaches-network") + spaced(m.GetTarget())
	}
	return a.worded("word."+strings.ReplaceAll(word(m.GetKind()), "_", "-")) + spaced(m.GetTarget())
}

// obstacle is the error of a plan that cannot be carried out, nil where it can.
func obstacle(p *packagesv1.InstallPlan) error {
	if len(p.GetObstacles()) == 0 {
		return nil
	}
	return fault.FromProto(p.GetObstacles()[0])
}

func spaced(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}
