package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"
)

func (a *app) packageCommand() *cobra.Command {
	c := &cobra.Command{Use: "package", Aliases: []string{"pkg"}, Short: "Install, run and watch packages"}
	c.AddCommand(a.installCommand(), a.listCommand(), a.showCommand(), a.startCommand(), a.stopCommand(), a.restartCommand(), a.rebuildCommand(), a.whyCommand(),
		a.updateCommand(), a.updatesCommand(), a.policyCommand(), a.skipCommand(), a.rollbackCommand(), a.snapshotsCommand(), a.backupCommand(), a.restoreCommand(), a.uninstallCommand(), a.logsCommand(), a.attachCommand(), a.subcontainersCommand(), a.healthCommand(), a.statsCommand(), a.actionsCommand(), a.actionCommand(), a.tasksCommand(), a.addressesCommand(), a.dataCommand(), a.gcCommand(), a.effectsCommand(), a.limitsCommand(), a.devCommand(), a.testCommand())
	return c
}

// completeInstalled completes the ids of installed packages.
func (a *app) completeInstalled(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var list []string
	_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
		rows, err := allPackages(ctx, c)
		for _, p := range rows {
			list = append(list, p.GetMeta().GetId()+"\t"+printable(p.GetSpec().GetTitle()))
		}
		return err
	})
	return list, cobra.ShellCompDirectiveNoFileComp
}

// allPackages lists the installed packages, page by page.
func allPackages(ctx context.Context, c *hearth.Client) ([]*packagesv1.Package, error) {
	var rows []*packagesv1.Package
	for token := ""; ; {
		resp, err := c.Packages.ListPackages(ctx, &packagesv1.ListPackagesRequest{PageToken: token})
		if err != nil {
			return rows, err
		}
		rows = append(rows, resp.GetPackages()...)
		if token = resp.GetNextPageToken(); token == "" {
			return rows, nil
		}
	}
}

func (a *app) installCommand() *cobra.Command {
	var noStart, noWait, yes, needed bool
	var limit time.Duration
	var gates updateGates
	var from string
	c := &cobra.Command{
		Use:   "install FILE|ID[@VERSION]",
		Short: "Install a package from a registry, a file or a URL, or update it",
		Long: `Install a StartOS package file (S9PK) and start its service, or update the package
that is installed.

FILE is a path, a URL (http or https, fetched by this program) or - for standard input. A
word without a slash that does not end in .s9pk is the id of a package, which the server
fetches from a registry that it knows: the newest version, the one behind the @, or the
newest of a range. 'hearth registry add' adds registries.

A file is sent to the server, which verifies every byte of it before anything
else happens. The command waits until the service is set up and started; an
interruption (Ctrl-C) after the file is sent leaves the operation to the server,
and 'hearth operations' shows it. A service that waits for a task, such as a first
password, is installed and not started.

In an update the service is stopped and its data are snapshotted before the new
version migrates them. When anything fails, or the update is cancelled, the old
version runs again with its data as they were. A service that was well must be well
again within --health-limit: its health checks succeed, or load. When it succeeds, the
service is what it was, running or stopped, and the old version is kept:
'hearth package rollback' returns to it.

With --validate-only nothing is done: it is told what would stop, what the new version
may do that the installed one may not, what room it takes, and what speaks against it.`,
		Example: `  hearth package install hello
  hearth package install hello@1.0.0:0 --registry mine
  hearth package install photos --with-dependencies
  hearth package install hello.s9pk
  hearth package install hello.s9pk --no-start
  hearth package install https://example.com/hello.s9pk
  hearth --host https://server:8443 package install - <hello.s9pk
  hearth package install hello-2.s9pk --validate-only
  hearth package install hello-2.s9pk --time-limit 30m
  hearth package install hello.s9pk --no-wait --output json`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeInstallable,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				req := &packagesv1.InstallPackageRequest{Start: !noStart, AcceptSigner: yes, TimeLimit: timeLimit(limit)}
				gates.ask(cmd, req)
				if isPackageFile(args[0]) {
					return a.install(ctx, c, args[0], req, !noWait)
				}
				id, version, _ := strings.Cut(args[0], "@")
				listed := &packagesv1.FromRegistry{Registry: from, PackageId: id, Version: version}
				if needed && !gates.validateOnly {
					if err := a.findRegistry(ctx, c, listed); err != nil {
						return err
					}
					return a.unlessNewest(ctx, c, req, a.installWithNeeded(ctx, c, req, listed))
				}
				return a.unlessNewest(ctx, c, req, a.installListed(ctx, c, req, listed, !noWait))
			})
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "update also when somebody else has signed the file; do not ask")
	gates.flags(c)
	c.Flags().DurationVar(&limit, "time-limit", 0, "how long the package's own code may take to set itself up (12h)")
	c.Flags().StringVar(&from, "registry", "", "id or address of the registry, or its name in hearth.yaml; the first that has the package when not given")
	c.Flags().BoolVar(&needed, "with-dependencies", false, "install with it what it needs of other packages, from registries, in versions that will do")
	c.Flags().BoolVar(&noStart, "no-start", false, "leave the service stopped")
	c.Flags().BoolVar(&noWait, "no-wait", false, "print the operation and return at once")
	_ = c.RegisterFlagCompletionFunc("registry", a.completeRegistryFlag)
	return c
}

// timeLimit is a limit as requests have it: none is given where it is 0.
func timeLimit(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

func (a *app) install(ctx context.Context, c *hearth.Client, path string, req *packagesv1.InstallPackageRequest, wait bool) error {
	f, length, err := a.openPackage(ctx, path)
	if err != nil {
		return err
	}
	defer f.Close()
	show, begun := a.newProgress(), time.Now()
	req.Ticket, err = c.Upload(ctx, f, length, func(done, total int64) {
		rate := size(uint64(float64(done)/max(time.Since(begun).Seconds(), 0.001))) + "/s"
		show.set(a.say("progress.sending", nil), float64(done)/float64(total), size(uint64(done))+" / "+size(uint64(total))+"  "+rate)
	})
	if err != nil {
		show.end()
		if ctx.Err() != nil {
			return interrupted{a.say("interrupted.sending", nil)}
		}
		return err
	}
	err = a.begin(ctx, c, req, show, wait)
	if err != nil || req.GetValidateOnly() {
		c.DropUpload(ctx, req.GetTicket()) // nothing where an operation has taken it
	}
	return err
}

// begin begins an installation or an update, and follows it.
func (a *app) begin(ctx context.Context, c *hearth.Client, req *packagesv1.InstallPackageRequest, show *progress, wait bool) error {
	resp, err := c.Packages.InstallPackage(ctx, req)
	if fault.Is(err, metav1.Reason_REASON_PACKAGE_SIGNER_CONFLICT) && isTerminal(a.In) && !req.GetAcceptSigner() {
		show.end()
		pkg := fault.Proto(err).GetMetadata()["package"]
		if err := a.confirm(a.say("package.signer-question", map[string]any{"ID": pkg}), a.say("package.nothing-changed", nil)); err != nil {
			return err
		}
		req.AcceptSigner = true
		resp, err = c.Packages.InstallPackage(ctx, req)
	}
	if err != nil {
		show.end()
		return err
	}
	if plan := resp.GetPlan(); plan != nil {
		show.end()
		return errors.Join(a.printPlan(plan), obstacle(plan))
	}
	if !wait {
		show.end()
		return a.printOperations(resp.GetOperation())
	}
	if from := resp.GetOperation().GetSpec().GetParameters()["from"]; from != "" && !a.rows() {
		show.end()
		fmt.Fprintln(a.Err, a.say("package.updating", map[string]any{
			"ID": resp.GetOperation().GetSpec().GetTarget(), "From": from, "To": resp.GetOperation().GetSpec().GetParameters()["version"],
		}))
	}
	op, err := a.follow(ctx, c, resp.GetOperation().GetMeta().GetId(), show)
	if err != nil {
		return err
	}
	a.tellReplaced(op)
	return a.showPackage(ctx, c, op.GetSpec().GetTarget())
}

// openFile opens a file that the person named.
func openFile(path string) (*os.File, error) {
	f, err := os.Open(path)
	var why *os.PathError
	if errors.As(err, &why) {
		return nil, unable("failed.read", why.Err, "Name", path)
	}
	return f, err
}

func (a *app) listCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the installed packages", Args: cobra.NoArgs,
		Example: "  hearth package list\n  hearth package list --output json | jq -r .id",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				rows, err := allPackages(ctx, c)
				if err != nil {
					return err
				}
				if a.rows() {
					return printRows(a, rows)
				}
				var table [][]string
				for _, p := range rows {
					table = append(table, []string{p.GetMeta().GetId(), p.GetSpec().GetVersion(), word(p.GetStatus().GetState()), since(p.GetStatus().GetStartTime()), p.GetSpec().GetTitle()})
				}
				return a.table([]string{"id", "version", "state", "up", "title"}, table)
			})
		},
	}
}

func (a *app) showCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a package: state, health, addresses, tasks", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeInstalled,
		Example: "  hearth package show hello",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error { return a.showPackage(ctx, c, args[0]) })
		},
	}
}

// stateNow is the state of a service in a word. One that is wanted running and has not been looked at since is about to
// start, although it is stopped still.
func stateNow(p *packagesv1.Package) string {
	st := p.GetStatus()
	if st.GetState() == packagesv1.PackageStatus_STATE_STOPPED && p.GetSpec().GetDesired() == packagesv1.PackageSpec_DESIRED_RUNNING &&
		st.GetObservedGeneration() < p.GetMeta().GetGeneration() {
		return word(packagesv1.PackageStatus_STATE_STARTING)
	}
	return word(st.GetState())
}

func (a *app) showPackage(ctx context.Context, c *hearth.Client, id string) error {
	resp, err := c.Packages.GetPackage(ctx, &packagesv1.GetPackageRequest{Id: id})
	if err != nil {
		return err
	}
	hosts, err := c.Hosts.ListHosts(ctx, &hostsv1.ListHostsRequest{PackageId: id})
	if err != nil {
		return err
	}
	tasks, err := c.Actions.ListTasks(ctx, &actionsv1.ListTasksRequest{PackageId: id})
	if err != nil {
		return err
	}
	p := resp.GetPackage()
	if a.rows() {
		row := flatten(p)
		row["description"] = resp.GetArtifact().GetSpec().GetDescription()
		row["healthChecks"], row["addresses"], row["tasks"] = []any{}, []any{}, []any{}
		row["snapshots"], row["dependencies"], row["permissions"] = []any{}, []any{}, []any{}
		for _, p := range resp.GetPermissions() {
			row["permissions"] = append(row["permissions"].([]any), flatten(p))
		}
		for _, d := range resp.GetDependencyStates() {
			row["dependencies"] = append(row["dependencies"].([]any), flatten(d))
		}
		for _, sn := range resp.GetSnapshots() {
			row["snapshots"] = append(row["snapshots"].([]any), flatten(sn))
		}
		for _, h := range resp.GetHealthChecks() {
			row["healthChecks"] = append(row["healthChecks"].([]any), flatten(h))
		}
		for _, h := range hosts.GetHosts() {
			for _, addr := range h.GetStatus().GetAddresses() {
				row["addresses"] = append(row["addresses"].([]any), flatten(addr))
			}
		}
		for _, t := range tasks.GetTasks() {
			row["tasks"] = append(row["tasks"].([]any), flatten(t))
		}
		return a.printRow(row)
	}
	fmt.Fprintf(a.Out, "%s  %s  %s\n", printable(p.GetSpec().GetTitle()), p.GetSpec().GetVersion(), stateNow(p))
	if d := resp.GetArtifact().GetSpec().GetDescription(); d != "" {
		fmt.Fprintf(a.Out, "  %s\n", printable(d))
	}
	for _, f := range []*metav1.Fault{p.GetSpec().GetStoppedFor(), p.GetStatus().GetFault()} {
		if f != nil {
			fmt.Fprintf(a.Out, "  fault: %s\n", printable(f.GetMessage()))
		}
	}
	if c := p.GetStatus().GetCrashes(); c != nil {
		fmt.Fprintln(a.Out, "  "+a.quoting(a.say("package.crashed", map[string]any{
			"Count": c.GetCount(), "Time": c.GetLastTime().AsTime().Local().Format("2006-01-02 15:04:05"),
		}), printable(c.GetReason())))
	}
	for _, d := range resp.GetDependencyStates() {
		fmt.Fprintf(a.Out, "  needs: %s\n", a.dependencyText(d))
	}
	var may []string
	for _, p := range resp.GetPermissions() {
		if k := p.GetKind(); k != packagesv1.Permission_KIND_VOLUME && k != packagesv1.Permission_KIND_DEPENDENCY {
			may = append(may, printable(a.permission(p)))
		}
	}
	if len(may) > 0 {
		fmt.Fprintln(a.Out, a.say("package.may", map[string]any{"What": strings.Join(may, "; ")}))
	}
	for _, sn := range resp.GetSnapshots() {
		fmt.Fprintf(a.Out, "  can be rolled back to: %s, with its data of %s\n", printable(sn.GetSpec().GetVersion()), taken(sn).Format("2006-01-02 15:04:05"))
	}
	for _, h := range resp.GetHealthChecks() {
		fmt.Fprintf(a.Out, "  health: %s  %s %s\n", printable(brief(h.GetStatus().GetName())), word(h.GetStatus().GetResult()), printable(brief(h.GetStatus().GetMessage())))
	}
	for _, t := range tasks.GetTasks() {
		if t.GetStatus().GetActive() {
			fmt.Fprintf(a.Out, "  task (%s): run 'hearth package action run %s %s'  %s\n", word(t.GetSpec().GetSeverity()), t.GetSpec().GetPackageId(), t.GetSpec().GetActionId(), printable(t.GetSpec().GetReason()))
		}
	}
	for _, h := range hosts.GetHosts() {
		for _, addr := range h.GetStatus().GetAddresses() {
			if addr.GetKind() != hostsv1.Address_KIND_BRIDGE {
				url := printable(addr.GetUrl())
				if why := addr.GetUnserved(); why != "" {
					url = a.say("package.unserved", map[string]any{"Address": url, "Why": printable(why)})
				}
				fmt.Fprintf(a.Out, "  %s: %s\n", printable(addr.GetInterfaceId()), url)
			}
		}
	}
	return nil
}

func (a *app) addressesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "addresses ID", Short: "List the addresses of a service", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeInstalled,
		Example: "  hearth package addresses hello\n  hearth package addresses hello --output json | jq -r 'select(.ssl) | .url'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Hosts.ListHosts(ctx, &hostsv1.ListHostsRequest{PackageId: args[0]})
				if err != nil {
					return err
				}
				var table [][]string
				unserved := false
				for _, h := range resp.GetHosts() {
					for _, addr := range h.GetStatus().GetAddresses() {
						if a.rows() {
							if err := a.printRow(flatten(addr)); err != nil {
								return err
							}
						}
						unserved = unserved || addr.GetUnserved() != ""
						table = append(table, []string{addr.GetInterfaceId(), word(addr.GetKind()), addr.GetUrl(), addr.GetUnserved()})
					}
				}
				if a.rows() {
					return nil
				}
				head := []string{"interface", "kind", "address", "fault"}
				if !unserved {
					head = head[:3]
					for i := range table {
						table[i] = table[i][:3]
					}
				}
				return a.table(head, table)
			})
		},
	}
}

func (a *app) startCommand() *cobra.Command {
	var force bool
	c := a.changeCommand("start", "Start a service", func(ctx context.Context, c *hearth.Client, id string) error {
		_, err := c.Packages.StartPackage(ctx, &packagesv1.StartPackageRequest{Id: id, Force: force})
		return err
	})
	c.Flags().BoolVar(&force, "force", false, "start although a critical task is not done, until somebody stops it")
	return c
}

func (a *app) stopCommand() *cobra.Command {
	return a.changeCommand("stop", "Stop a service", func(ctx context.Context, c *hearth.Client, id string) error {
		_, err := c.Packages.StopPackage(ctx, &packagesv1.StopPackageRequest{Id: id})
		return err
	})
}

func (a *app) restartCommand() *cobra.Command {
	return a.changeCommand("restart", "Restart a service", func(ctx context.Context, c *hearth.Client, id string) error {
		_, err := c.Packages.RestartPackage(ctx, &packagesv1.RestartPackageRequest{Id: id})
		return err
	})
}

// changeCommand is a command that changes what is wanted of a service and waits until it is so.
func (a *app) changeCommand(name, short string, ask func(context.Context, *hearth.Client, string) error) *cobra.Command {
	var noWait bool
	c := &cobra.Command{
		Use: name + " ID", Short: short, Example: fmt.Sprintf("  hearth package %[1]s hello\n  hearth package %[1]s hello --no-wait", name),
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeInstalled,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if err := ask(ctx, c, args[0]); err != nil {
					return err
				}
				if noWait {
					return nil
				}
				row, err := a.awaitState(ctx, c, args[0])
				if err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(flatten(row))
				}
				a.tell("package.is-"+word(row.GetStatus().GetState()), map[string]any{"ID": args[0]})
				return nil
			})
		},
	}
	c.Flags().BoolVar(&noWait, "no-wait", false, "return at once; the server goes on")
	return c
}

func (a *app) uninstallCommand() *cobra.Command {
	var force, keep, yes, noWait bool
	c := &cobra.Command{
		Use: "uninstall ID", Aliases: []string{"remove"}, Short: "Remove a package and its data", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeInstalled,
		Example: "  hearth package uninstall hello\n  hearth package uninstall hello --keep-data --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes && !keep && !isTerminal(a.In) {
				return wrong("usage.uninstall-yes", "ID", args[0])
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				needed, err := dependents(ctx, c, args[0])
				if err != nil {
					return err
				}
				if len(needed) > 0 && !a.quiet {
					fmt.Fprintln(a.Err, a.say("package.uninstall-needed", map[string]any{"ID": args[0], "Names": strings.Join(needed, ", ")}))
				}
				if !yes && !keep {
					fmt.Fprint(a.Err, a.say("package.uninstall-question", map[string]any{"ID": args[0]})+" ")
					var answer string
					if _, err := fmt.Fscanln(a.In, &answer); err != nil || answer != args[0] {
						return spoken(a.say("package.nothing-removed", nil))
					}
				}
				resp, err := c.Packages.UninstallPackage(ctx, &packagesv1.UninstallPackageRequest{Id: args[0], Force: force, KeepData: keep})
				if err != nil {
					return err
				}
				if noWait {
					return a.printOperations(resp.GetOperation())
				}
				op, err := a.follow(ctx, c, resp.GetOperation().GetMeta().GetId(), a.newProgress())
				if err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(flatten(op))
				}
				if keep {
					a.tell("package.uninstalled-kept", map[string]any{"ID": args[0]})
					return nil
				}
				a.tell("package.uninstalled", map[string]any{"ID": args[0]})
				return nil
			})
		},
	}
	c.Flags().BoolVar(&force, "force", false, "go on when the package's own clean-up fails")
	c.Flags().BoolVar(&keep, "keep-data", false, "keep the data for a later installation")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&noWait, "no-wait", false, "print the operation and return at once")
	return c
}

// dependents are the packages that need a package, by id.
func dependents(ctx context.Context, c *hearth.Client, id string) (ids []string, err error) {
	targets := []*statev1.Target{{Selectors: []*statev1.Selector{{Kind: "dependency"}}}}
	err = c.Watch(ctx, targets, func(up *statev1.Update) (bool, error) {
		for _, ch := range up.GetChanges() {
			if of, on, _ := strings.Cut(ch.GetId(), "/"); on == id && ch.GetResource() != nil {
				ids = append(ids, of)
			}
		}
		return up.GetBookmark() != "", nil
	})
	slices.Sort(ids)
	return ids, err
}

func (a *app) healthCommand() *cobra.Command {
	var history bool
	var check string
	cmd := &cobra.Command{
		Use: "health ID", Short: "Show the health checks of a service", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeInstalled,
		Example: "  hearth package health hello\n  hearth package health hello --history\n  hearth package health hello --history --check web --output json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if check != "" && !history {
				return wrong("usage.check-history")
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if history {
					return a.healthPast(ctx, c, args[0], check)
				}
				resp, err := c.Packages.GetPackage(ctx, &packagesv1.GetPackageRequest{Id: args[0]})
				if err != nil {
					return err
				}
				if a.rows() {
					return printRows(a, resp.GetHealthChecks())
				}
				var table [][]string
				for _, h := range resp.GetHealthChecks() {
					st := h.GetStatus()
					table = append(table, []string{strings.TrimPrefix(h.GetMeta().GetId(), args[0]+"/"), word(st.GetResult()), since(st.GetSince()), brief(st.GetName()), brief(st.GetMessage())})
				}
				return a.table([]string{"check", "result", "for", "name", "message"}, table)
			})
		},
	}
	cmd.Flags().BoolVar(&history, "history", false, "show how the checks did, the newest first")
	cmd.Flags().StringVar(&check, "check", "", "only this check, with --history")
	return cmd
}

func (a *app) actionsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "actions ID", Short: "List what a package can do for you", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeInstalled,
		Example: "  hearth package actions hello",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Actions.ListActions(ctx, &actionsv1.ListActionsRequest{PackageId: args[0]})
				if err != nil {
					return err
				}
				if a.rows() {
					return printRows(a, resp.GetActions())
				}
				var table [][]string
				for _, act := range resp.GetActions() {
					if act.GetSpec().GetVisibility() == actionsv1.ActionSpec_VISIBILITY_HIDDEN {
						continue
					}
					input := ""
					if act.GetSpec().GetHasInput() {
						input = "yes"
					}
					table = append(table, []string{strings.TrimPrefix(act.GetMeta().GetId(), args[0]+"/"), word(act.GetSpec().GetVisibility()), word(act.GetSpec().GetAllowedStatuses()), input, act.GetSpec().GetName()})
				}
				return a.table([]string{"action", "visibility", "when", "input", "name"}, table)
			})
		},
	}
}

func (a *app) actionCommand() *cobra.Command {
	c := &cobra.Command{Use: "action", Short: "Run actions of a package and see their forms"}
	var prefill, input string
	form := &cobra.Command{
		Use: "input ID ACTION", Short: "Show the form of an action: JSON", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeAction,
		Example: "  hearth package action input hello set-password",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Actions.GetActionInput(ctx, &actionsv1.GetActionInputRequest{PackageId: args[0], ActionId: args[1], Prefill: prefill})
				if err != nil {
					return err
				}
				return a.printRow(map[string]any{"eventId": resp.GetEventId(), "spec": rawOrNull(resp.GetSpec()), "value": rawOrNull(resp.GetValue())})
			})
		},
	}
	form.Flags().StringVar(&prefill, "prefill", "", "values to fill in: a JSON object")
	var request string
	run := &cobra.Command{
		Use: "run ID ACTION", Short: "Run an action",
		Long: `Run an action of a package.

The input of an action that takes one is a JSON object, given with --input or, as
"--input -", on standard input. 'hearth package action input' shows the form.

With --request-id, a lower-case ULID of your making, the command can be repeated when
you do not know whether it arrived: the action runs once for each id.`,
		Example: `  hearth package action run hello set-password --input '{"password":"a good one"}'
  hearth package action run hello set-password --input - < input.json
  hearth package action run hello set-password --input - --request-id "$ID" < input.json`,
		Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeAction,
		RunE: func(cmd *cobra.Command, args []string) error {
			if input == "-" {
				raw, err := io.ReadAll(io.LimitReader(a.In, 256<<10))
				if err != nil {
					return err
				}
				input = string(raw)
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Actions.RunAction(ctx, &actionsv1.RunActionRequest{PackageId: args[0], ActionId: args[1], Input: input, RequestId: request})
				if err != nil {
					return err
				}
				return a.printResult(resp.GetResult())
			})
		},
	}
	run.Flags().StringVar(&request, "request-id", "", "an id by which a repetition is told from another run")
	run.Flags().StringVar(&input, "input", "", "the input: a JSON object, or - for standard input")
	c.AddCommand(form, run)
	return c
}

func (a *app) completeAction(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return a.completeInstalled(cmd, args, prefix)
	}
	var list []string
	_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
		resp, err := c.Actions.ListActions(ctx, &actionsv1.ListActionsRequest{PackageId: args[0]})
		for _, act := range resp.GetActions() {
			list = append(list, strings.TrimPrefix(act.GetMeta().GetId(), args[0]+"/")+"\t"+printable(act.GetSpec().GetName()))
		}
		return err
	})
	return list, cobra.ShellCompDirectiveNoFileComp
}

func rawOrNull(s string) any {
	if s == "" {
		return nil
	}
	return json.RawMessage(s)
}

func (a *app) printResult(raw string) error {
	if a.rows() {
		return a.printRow(rawOrNull(raw))
	}
	if raw == "" {
		a.tell("action.done", nil)
		return nil
	}
	var top struct {
		Title   string          `json:"title"`
		Message *string         `json:"message"`
		Result  json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal([]byte(raw), &top); err != nil {
		return unable("failed.result", err)
	}
	fmt.Fprintln(a.Out, printable(top.Title))
	if top.Message != nil && *top.Message != "" {
		fmt.Fprintln(a.Out, printable(*top.Message))
	}
	if len(top.Result) == 0 || string(top.Result) == "null" {
		return nil
	}
	a.printMember(top.Result, "  ")
	return nil
}

func (a *app) printMember(raw json.RawMessage, indent string) {
	var m struct {
		Type  string          `json:"type"`
		Name  string          `json:"name"`
		Value json.RawMessage `json:"value"`
	}
	if json.Unmarshal(raw, &m) != nil {
		return
	}
	var text string
	var group []json.RawMessage
	switch {
	case json.Unmarshal(m.Value, &text) == nil:
		fmt.Fprintln(a.Out, strings.TrimRight(indent+printable(m.Name)+" "+printable(text), " "))
	case json.Unmarshal(m.Value, &group) == nil:
		if m.Name != "" {
			fmt.Fprintln(a.Out, indent+printable(m.Name))
		}
		for _, g := range group {
			a.printMember(g, indent+"  ")
		}
	}
}
