package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) watchCommand() *cobra.Command {
	var from, id, parent string
	c := &cobra.Command{
		Use:   "watch [KIND ...]",
		Short: "Show every change as it happens",
		Long: `Show the state of the server and then every change of it, until interrupted.

Each bookmark printed is a place in the feed: with --from BOOKMARK the feed goes on
right after it, also after a restart of the server, with no change left out and none
twice.`,
		Example: `  hearth watch
  hearth watch package healthcheck
  hearth watch package --id hello --output json
  hearth watch --from BOOKMARK`,
		RunE: func(cmd *cobra.Command, args []string) error {
			target := &statev1.Target{Id: "cli", Bookmark: from}
			for _, kind := range args {
				target.Selectors = append(target.Selectors, &statev1.Selector{Kind: kind, Id: id, Parent: parent})
			}
			if len(args) == 0 && (id != "" || parent != "") {
				target.Selectors = append(target.Selectors, &statev1.Selector{Id: id, Parent: parent})
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				return c.Watch(ctx, []*statev1.Target{target}, func(u *statev1.Update) (bool, error) { return false, a.printUpdate(u) })
			})
		},
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return a.completeKinds(cmd)
		},
	}
	c.Flags().StringVar(&from, "from", "", "bookmark to go on after")
	c.Flags().StringVar(&id, "id", "", "only the resource with this id")
	c.Flags().StringVar(&parent, "parent", "", "only resources that belong to this one")
	return c
}

func (a *app) printUpdate(u *statev1.Update) error {
	for _, ch := range u.GetChanges() {
		if a.rows() {
			row := map[string]any{"revision": ch.GetRevision(), "kind": ch.GetKind(), "id": ch.GetId(), "deleted": ch.GetResource() == nil}
			if ch.GetResource() != nil {
				row["resource"] = flatten(resourceOf(ch))
			}
			if err := a.printRow(row); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(a.Out, "%6d  %-14s %-40s %s\n", ch.GetRevision(), ch.GetKind(), printable(ch.GetId()), printable(summary(ch)))
	}
	if u.GetBookmark() == "" {
		return nil
	}
	if a.rows() {
		return a.printRow(map[string]any{"bookmark": u.GetBookmark(), "revision": u.GetRevision()})
	}
	if len(u.GetChanges()) > 0 || u.GetPhase() == statev1.Update_PHASE_SNAPSHOT {
		fmt.Fprintf(a.Out, "%6d  bookmark       %s\n", u.GetRevision(), u.GetBookmark())
	}
	return nil
}

// reached says how many addresses work, and what the first that does not lacks.
func reached(verdicts []*hostsv1.Verdict) string {
	works, missing := 0, ""
	for _, v := range verdicts {
		switch {
		case v.GetWorks():
			works++
		case missing == "":
			missing = fmt.Sprintf("; %s: %s", v.GetHostname(), v.GetMessage())
		}
	}
	return fmt.Sprintf("%d of %d addresses work%s", works, len(verdicts), missing)
}

// summary says of a change what people look for.
func summary(ch *statev1.Change) string {
	switch r := ch.GetResource().GetKind().(type) {
	case nil:
		return "deleted"
	case *statev1.Resource_Package:
		return word(r.Package.GetStatus().GetState()) + ", wanted " + word(r.Package.GetSpec().GetDesired())
	case *statev1.Resource_Operation:
		st := r.Operation.GetStatus()
		step := ""
		if i := int(st.GetCurrent()); i < len(st.GetSteps()) {
			step = " " + st.GetSteps()[i].GetName()
		}
		return r.Operation.GetSpec().GetKind() + " " + r.Operation.GetSpec().GetTarget() + ": " + word(st.GetState()) + step
	case *statev1.Resource_Progress:
		return fmt.Sprintf("%s %.0f%% %s", r.Progress.GetStatus().GetStep(), r.Progress.GetStatus().GetFraction()*100, r.Progress.GetStatus().GetMessage())
	case *statev1.Resource_HealthCheck:
		return word(r.HealthCheck.GetStatus().GetResult()) + " " + r.HealthCheck.GetStatus().GetMessage()
	case *statev1.Resource_Task:
		if r.Task.GetStatus().GetActive() {
			return "active: " + r.Task.GetSpec().GetActionId()
		}
		return "inactive"
	case *statev1.Resource_Action:
		return r.Action.GetSpec().GetName()
	case *statev1.Resource_Host:
		return fmt.Sprintf("%d addresses", len(r.Host.GetStatus().GetAddresses()))
	case *statev1.Resource_Reachability:
		return reached(r.Reachability.GetStatus().GetVerdicts())
	case *statev1.Resource_Passthrough:
		return r.Passthrough.GetSpec().GetBackend()
	case *statev1.Resource_Gateway:
		return strings.TrimSpace(r.Gateway.GetSpec().GetName() + " " + strings.Join(r.Gateway.GetStatus().GetAddresses(), " "))
	case *statev1.Resource_Registry:
		return r.Registry.GetSpec().GetUrl()
	case *statev1.Resource_Preferences:
		return fmt.Sprintf("%d values", len(r.Preferences.GetSpec().GetValues()))
	case *statev1.Resource_Audit:
		return strings.Join(auditLine(r.Audit)[1:], " ")
	case *statev1.Resource_Account:
		return word(r.Account.GetSpec().GetRole()) + " " + r.Account.GetSpec().GetTitle()
	case *statev1.Resource_Warning:
		return word(r.Warning.GetStatus().GetSeverity()) + ": " + r.Warning.GetStatus().GetText()
	case *statev1.Resource_Notification:
		return word(r.Notification.GetStatus().GetLevel()) + ": " + r.Notification.GetStatus().GetTitle()
	case *statev1.Resource_RefusedEffect:
		st := r.RefusedEffect.GetStatus()
		return strings.TrimSpace(st.GetEffect()+" "+st.GetTarget()) + ": " + word(st.GetOutcome())
	case *statev1.Resource_EffectPolicy:
		if r.EffectPolicy.GetSpec().GetLenient() {
			return "lenient"
		}
		return "strict"
	case *statev1.Resource_UpdatePolicy:
		return word(r.UpdatePolicy.GetSpec().GetMode())
	case *statev1.Resource_PackageUpdate:
		st := r.PackageUpdate.GetStatus()
		return st.GetInstalledVersion() + " → " + cmp.Or(st.GetVersion(), "—")
	case *statev1.Resource_PackageLimits:
		if why := r.PackageLimits.GetStatus().GetFault(); why != nil {
			return word(why.GetReason())
		}
		return fmt.Sprintf("generation %d in force", r.PackageLimits.GetStatus().GetObservedGeneration())
	case *statev1.Resource_Snapshot:
		return r.Snapshot.GetSpec().GetVersion() + ", " + size(r.Snapshot.GetStatus().GetBytes())
	case *statev1.Resource_Usage:
		st := r.Usage.GetStatus()
		return load(st.GetCpuLoad()) + " cpu, " + size(st.GetMemoryBytes())
	case *statev1.Resource_ServerUsage:
		st := r.ServerUsage.GetStatus()
		return load(st.GetCpuLoad()) + " cpu, " + size(st.GetMemoryTotalBytes()-st.GetMemoryAvailableBytes())
	case *statev1.Resource_HealthChange:
		st := r.HealthChange.GetStatus()
		if st.GetEnded() {
			return st.GetCheck() + ": ended"
		}
		return st.GetCheck() + ": " + word(st.GetResult())
	case *statev1.Resource_Hardware:
		return fmt.Sprintf("%s, %s, %d devices", r.Hardware.GetStatus().GetArchitecture(), size(r.Hardware.GetStatus().GetMemoryBytes()), len(r.Hardware.GetStatus().GetDevices()))
	case *statev1.Resource_Artifact:
		return r.Artifact.GetSpec().GetPackageId() + " " + r.Artifact.GetSpec().GetVersion()
	}
	return ""
}

func (a *app) operationsCommand() *cobra.Command {
	var target string
	c := &cobra.Command{
		Use: "operations", Aliases: []string{"ops"}, Short: "See and cancel long work; alone it lists it",
		Example: "  hearth operations\n  hearth operations --target hello",
	}
	list := &cobra.Command{
		Use: "list", Short: "List operations, the newest first", Args: cobra.NoArgs,
		Example: "  hearth operations list --target hello",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Operations.ListOperations(ctx, &operationsv1.ListOperationsRequest{Target: target})
				if err != nil {
					return err
				}
				return a.printOperations(resp.GetOperations()...)
			})
		},
	}
	list.Flags().StringVar(&target, "target", "", "only operations on this package")
	_ = list.RegisterFlagCompletionFunc("target", func(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return a.completeInstalled(cmd, nil, prefix)
	})
	show := &cobra.Command{
		Use: "show ID", Short: "Show one operation with its steps", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeOperation(nil),
		Example: "  hearth operations show 01m85wmxkfm468vnc1kjsw2k3p",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Operations.GetOperation(ctx, &operationsv1.GetOperationRequest{Id: args[0]})
				if err != nil {
					return err
				}
				return a.showOperation(resp.GetOperation())
			})
		},
	}
	follow := &cobra.Command{
		Use: "watch ID", Short: "Follow an operation to its end", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeOperation(nil),
		Long: `Show the steps of an operation until it has ended, and end as it did: with exit code 0
when it succeeded, else with its fault. An interruption (Ctrl-C) leaves the operation
to the server.`,
		Example: "  hearth operations watch 01m85wmxkfm468vnc1kjsw2k3p",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				op, err := a.follow(ctx, c, args[0], a.newProgress())
				if err != nil {
					return err
				}
				return a.printOperations(op)
			})
		},
	}
	cancel := &cobra.Command{
		Use: "cancel ID", Short: "Undo an operation that is under way", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeOperation(underWay),
		Example: "  hearth operations cancel 01m85wmxkfm468vnc1kjsw2k3p",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Operations.CancelOperation(ctx, &operationsv1.CancelOperationRequest{Id: args[0]})
				if err != nil {
					return err
				}
				return a.printOperations(resp.GetOperation())
			})
		},
	}
	c.AddCommand(list, show, follow, cancel, a.retryCommand(), a.giveUpCommand())
	return c
}

// completeOperation completes the ids of operations that suit, or of all.
func (a *app) completeOperation(suits func(*operationsv1.Operation) bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var list []string
		if len(args) == 0 {
			_ = a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Operations.ListOperations(ctx, &operationsv1.ListOperationsRequest{})
				for _, op := range resp.GetOperations() {
					if suits == nil || suits(op) {
						list = append(list, op.GetMeta().GetId()+"\t"+op.GetSpec().GetKind()+" "+op.GetSpec().GetTarget()+", "+word(op.GetStatus().GetState()))
					}
				}
				return err
			})
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// underWay tells of an operation that has not ended.
func underWay(op *operationsv1.Operation) bool { return !ended(op) }

func (a *app) printOperations(ops ...*operationsv1.Operation) error {
	if a.rows() {
		return printRows(a, ops)
	}
	var table [][]string
	for _, op := range ops {
		table = append(table, []string{op.GetMeta().GetId(), op.GetSpec().GetKind(), op.GetSpec().GetTarget(), word(op.GetStatus().GetState()), since(op.GetMeta().GetCreateTime()), op.GetStatus().GetFault().GetMessage()})
	}
	return a.table([]string{"id", "kind", "target", "state", "age", "fault"}, table)
}

func (a *app) showOperation(op *operationsv1.Operation) error {
	if a.rows() {
		return a.printRow(flatten(op))
	}
	fmt.Fprintf(a.Out, "%s %s  %s\n", op.GetSpec().GetKind(), printable(op.GetSpec().GetTarget()), word(op.GetStatus().GetState()))
	if f := op.GetStatus().GetFault(); f != nil {
		fmt.Fprintf(a.Out, "fault: %s (%s)\n", printable(f.GetMessage()), strings.TrimPrefix(f.GetReason().String(), "REASON_"))
	}
	if after := a.aftermath(op, false); after != "" {
		fmt.Fprintln(a.Out, after)
	}
	a.showStuck(op)
	var table [][]string
	for _, st := range op.GetStatus().GetSteps() {
		took := ""
		if st.GetEndTime() != nil && st.GetStartTime() != nil {
			took = st.GetEndTime().AsTime().Sub(st.GetStartTime().AsTime()).Round(time.Millisecond).String()
		}
		table = append(table, []string{st.GetName(), word(st.GetState()), took})
	}
	return a.table([]string{"step", "state", "took"}, table)
}

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the server and its services", Args: cobra.NoArgs,
		Example: "  hearth status\n  hearth status --output json | jq .version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				server, err := c.Server(ctx)
				if err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(flatten(server))
				}
				a.tell("status.server", map[string]any{
					"Name": printable(server.GetHostname()), "Version": server.GetVersion(), "Age": since(server.GetStartTime()),
					"Memory": size(server.GetMemoryBytes()), "Revision": server.GetRevision(),
				})
				services := map[string]any{"Running": server.GetRunningServices(), "All": server.GetInstalledPackages()}
				if server.GetDoorConnected() {
					a.tell("status.door", services)
				} else {
					a.tell("status.no-door", services)
				}
				a.tell("status.root", map[string]any{"Fingerprint": server.GetRootFingerprint()})
				rows, err := allPackages(ctx, c)
				if err != nil {
					return err
				}
				for _, p := range rows {
					fmt.Fprintf(a.Out, "  %-24s %s\n", p.GetMeta().GetId(), word(p.GetStatus().GetState()))
				}
				warnings, err := c.Diagnostics.ListWarnings(ctx, &diagnosticsv1.ListWarningsRequest{})
				if err != nil || len(warnings.GetWarnings()) == 0 {
					return err
				}
				fmt.Fprintln(a.Out)
				return a.printWarnings(warnings.GetWarnings())
			})
		},
	}
}
