package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"
)

func (a *app) updatesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "updates", Short: "Look for newer versions of the installed packages", Args: cobra.NoArgs,
		Long: `Have the server ask its registries for newer versions of the installed packages, and list
them. What is in the way is what keeps them from being installed by themselves, whatever the
policy of the package is.`,
		Example: "  hearth package updates\n  hearth package update --all",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Updates.FindUpdates(ctx, &packagesv1.FindUpdatesRequest{})
				if err != nil {
					return err
				}
				if a.rows() {
					return printRows(a, resp.GetUpdates())
				}
				if len(resp.GetUpdates()) == 0 {
					a.tell("updates.none", nil)
					return nil
				}
				return a.printUpdates(resp.GetUpdates())
			})
		},
	}
}

func (a *app) printUpdates(list []*packagesv1.PackageUpdate) error {
	var table [][]string
	for _, u := range list {
		st := u.GetStatus()
		var held []string
		for _, f := range st.GetHeldBy() {
			held = append(held, strings.TrimPrefix(f.GetReason().String(), "REASON_"))
		}
		if st.GetUnknown() != nil {
			held = append(held, strings.TrimPrefix(st.GetUnknown().GetReason().String(), "REASON_"))
		}
		if st.GetVersion() != "" && st.GetVersion() == st.GetFailedVersion() {
			held = append(held, a.worded("word.failed-before"))
		}
		table = append(table, []string{u.GetMeta().GetId(), st.GetInstalledVersion(), st.GetVersion(), st.GetRegistry(), strings.Join(held, ", ")})
	}
	return a.table([]string{"id", "version", "newer", "registry", "in-the-way"}, table)
}

func (a *app) skipCommand() *cobra.Command {
	var undo bool
	c := &cobra.Command{
		Use: "skip ID VERSION", Short: "Have one version of a package not offered as an update", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeSkip,
		Long: `Have one version of a package not offered, and not installed by itself. The version after
it is offered again, and who names the version installs it all the same.`,
		Example: "  hearth package skip hello 1.2.0:0\n  hearth package skip hello 1.2.0:0 --undo",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Updates.SkipVersion(ctx, &packagesv1.SkipVersionRequest{Id: args[0], Version: args[1], Undo: undo})
				if err != nil {
					return err
				}
				if a.rows() {
					return a.printRow(flatten(resp.GetPolicy()))
				}
				return a.showPolicy(ctx, c, args[0])
			})
		},
	}
	c.Flags().BoolVar(&undo, "undo", false, "offer it again")
	return c
}

// window are flags that say when updates are installed.
type window struct {
	start, zone string
	length      time.Duration
	days        []string
}

// weekdays are the names of days in a window, by their numbers.
func weekdays() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// spec is the window that was said.
func (w window) spec() (*packagesv1.UpdateWindow, error) {
	out := &packagesv1.UpdateWindow{Start: w.start, Length: durationpb.New(w.length), TimeZone: w.zone}
	for _, name := range w.days {
		i := slices.Index(weekdays(), strings.ToLower(name))
		if i < 0 {
			return nil, wrong("usage.weekday", "Day", name, "Days", strings.Join(weekdays(), ", "))
		}
		out.Days = append(out.Days, uint32(i))
	}
	return out, nil
}

// policyModes are the modes by what people call them.
func policyModes() map[string]packagesv1.UpdatePolicySpec_Mode {
	return map[string]packagesv1.UpdatePolicySpec_Mode{
		"manual": packagesv1.UpdatePolicySpec_MODE_MANUAL, "notify": packagesv1.UpdatePolicySpec_MODE_NOTIFY,
		"window": packagesv1.UpdatePolicySpec_MODE_WINDOW, "automatic": packagesv1.UpdatePolicySpec_MODE_AUTOMATIC,
	}
}

func (a *app) policyCommand() *cobra.Command {
	var w window
	var keep time.Duration
	c := &cobra.Command{
		Use: "policy ID [manual|notify|window|automatic]", Short: "Say how a package is kept up to date", Args: cobra.RangeArgs(1, 2),
		Long: `Show how a package is kept up to date, or say it.

manual     nobody looks for newer versions unless you do
notify     the server looks for them and warns of them; so it is where nothing is said
window     they are installed at a time of the day: --at, --for, --days, --zone
automatic  they are installed when they are found

By itself the server installs nothing that somebody else has signed, that comes from another
registry or is another flavor, that may do more than the installed version, or that anything
speaks against. It warns of it instead. A version that failed is not tried again by itself.

The version before an update is kept, with its data, until the next update, or for as long
as --keep says: 'hearth package rollback' returns to it meanwhile.`,
		Example: `  hearth package policy hello
  hearth package policy hello automatic
  hearth package policy hello window --at 03:30 --for 2h --days sat,sun --zone Europe/Berlin
  hearth package policy hello --keep 720h`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return []string{"manual", "notify", "window", "automatic"}, cobra.ShellCompDirectiveNoFileComp
			}
			return a.completeInstalled(cmd, args, word)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &packagesv1.SetUpdatePolicyRequest{Id: args[0]}
			if len(args) == 2 {
				mode, known := policyModes()[args[1]]
				if !known {
					return wrong("usage.policy", "Mode", args[1])
				}
				req.Mode = mode
			}
			isWindow := req.GetMode() == packagesv1.UpdatePolicySpec_MODE_WINDOW
			for _, flag := range []string{"at", "for", "days", "zone"} {
				if cmd.Flags().Changed(flag) && !isWindow {
					return wrong("usage.policy-window", "Flag", "--"+flag)
				}
			}
			if isWindow {
				var err error
				if req.Window, err = w.spec(); err != nil {
					return err
				}
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if cmd.Flags().Changed("keep") {
					req.KeepPrevious = durationpb.New(keep)
				}
				if len(args) == 2 || req.GetKeepPrevious() != nil {
					if _, err := c.Updates.SetUpdatePolicy(ctx, req); err != nil {
						return err
					}
				}
				return a.showPolicy(ctx, c, args[0])
			})
		},
	}
	c.Flags().StringVar(&w.start, "at", "03:00", "when the window opens")
	c.Flags().DurationVar(&w.length, "for", 2*time.Hour, "for how long it is open; what has begun within it ends when it ends")
	c.Flags().StringSliceVar(&w.days, "days", nil, "the days on which it opens, as in sat,sun; every day where none is named")
	c.Flags().StringVar(&w.zone, "zone", "", "the time zone in which that is meant, as in Europe/Berlin; that of the server where none is named")
	c.Flags().DurationVar(&keep, "keep", 0, "for how long the version before an update is kept; 0: until the next update")
	return c
}

func (a *app) showPolicy(ctx context.Context, c *hearth.Client, id string) error {
	resp, err := c.Updates.GetUpdatePolicy(ctx, &packagesv1.GetUpdatePolicyRequest{Id: id})
	if err != nil {
		return err
	}
	if a.rows() {
		return a.printRow(flatten(resp.GetPolicy()))
	}
	spec, st := resp.GetPolicy().GetSpec(), resp.GetUpdate().GetStatus()
	a.tell("policy.is", map[string]any{"ID": id, "Mode": word(spec.GetMode())})
	if w := spec.GetWindow(); w != nil {
		var days []string
		for _, d := range w.GetDays() {
			days = append(days, weekdays()[d%7])
		}
		a.tell("policy.window", map[string]any{
			"Start": w.GetStart(), "Length": w.GetLength().AsDuration().String(), "Zone": cmp.Or(w.GetTimeZone(), a.worded("word.server-zone")),
			"Days": cmp.Or(strings.Join(days, ", "), a.worded("word.every-day")), "Next": resp.GetNextWindow().AsTime().Local().Format(time.DateTime),
		})
	}
	if spec.GetKeepPrevious() != nil {
		a.tell("policy.keep", map[string]any{"Time": spec.GetKeepPrevious().AsDuration().String()})
	}
	if len(spec.GetSkipped()) > 0 {
		a.tell("policy.skipped", map[string]any{"Versions": strings.Join(spec.GetSkipped(), ", ")})
	}
	if st.GetVersion() != "" {
		a.tell("policy.newer", map[string]any{"Version": st.GetVersion(), "Registry": st.GetRegistry()})
	}
	for _, f := range st.GetHeldBy() {
		a.tell("policy.held", map[string]any{"Message": f.GetMessage()})
	}
	if st.GetFailedVersion() != "" && st.GetFailedVersion() == st.GetVersion() {
		a.tell("policy.failed", map[string]any{"Version": st.GetFailedVersion(), "Message": st.GetFailure().GetMessage()})
	}
	return nil
}

// updateAll has the server update what there are newer versions of, and waits for their ends. One that fails makes the
// command fail when all have ended.
func (a *app) updateAll(ctx context.Context, c *hearth.Client, yes, wait bool) error {
	found, err := c.Updates.FindUpdates(ctx, &packagesv1.FindUpdatesRequest{})
	if err != nil {
		return err
	}
	for _, u := range found.GetUpdates() {
		if f := u.GetStatus().GetUnknown(); f != nil {
			fmt.Fprintln(a.Err, a.say("updates.unknown", map[string]any{"ID": u.GetMeta().GetId(), "Message": printable(f.GetMessage())}))
		}
	}
	resp, err := c.Updates.UpdatePackages(ctx, &packagesv1.UpdatePackagesRequest{AcceptChanges: yes})
	if err != nil {
		return err
	}
	for _, u := range resp.GetHeld() {
		why := u.GetStatus().GetHeldBy()
		if f := u.GetStatus().GetFailure(); f != nil && u.GetStatus().GetFailedVersion() == u.GetStatus().GetVersion() {
			why = append(why, f)
		}
		for _, f := range why {
			fmt.Fprintln(a.Err, a.say("updates.held", map[string]any{"ID": u.GetMeta().GetId(), "Version": u.GetStatus().GetVersion(), "Message": printable(f.GetMessage())}))
		}
	}
	if !wait || len(resp.GetBegun()) == 0 {
		if a.rows() {
			return printRows(a, resp.GetBegun())
		}
		switch {
		case len(resp.GetBegun()) > 0:
			return a.printUpdates(resp.GetBegun())
		case len(resp.GetHeld()) == 0:
			a.tell("updates.none", nil)
		}
		return nil
	}
	return a.awaitUpdates(ctx, c, resp.GetBegun())
}

// awaitUpdates follows updates, in the order in which the server begins them, until none is wanted any more.
func (a *app) awaitUpdates(ctx context.Context, c *hearth.Client, begun []*packagesv1.PackageUpdate) error {
	slices.SortStableFunc(begun, func(x, y *packagesv1.PackageUpdate) int {
		return x.GetSpec().GetAskedTime().AsTime().Compare(y.GetSpec().GetAskedTime().AsTime())
	})
	var failed error
	var ended []*packagesv1.PackageUpdate
	for _, u := range begun {
		row, err := a.awaitUpdate(ctx, c, u)
		if err != nil {
			return err
		}
		if ended = append(ended, row); row.GetStatus().GetFailure() != nil && row.GetStatus().GetFailedVersion() == u.GetSpec().GetWantedVersion() {
			f := fault.FromProto(row.GetStatus().GetFailure())
			failed = cmp.Or[error](failed, f)
			fmt.Fprintln(a.Err, a.say("updates.failed", map[string]any{"ID": u.GetMeta().GetId(), "Version": u.GetSpec().GetWantedVersion(), "Message": printable(f.Error())}))
		} else if !a.rows() {
			a.tell("updates.done", map[string]any{"ID": u.GetMeta().GetId(), "From": u.GetStatus().GetInstalledVersion(), "To": u.GetSpec().GetWantedVersion()})
		}
	}
	if a.rows() {
		if err := printRows(a, ended); err != nil {
			return err
		}
	}
	return failed
}

// awaitUpdate follows one update until it is not wanted any more, and answers its row as it is then.
func (a *app) awaitUpdate(ctx context.Context, c *hearth.Client, u *packagesv1.PackageUpdate) (*packagesv1.PackageUpdate, error) {
	id, show := u.GetMeta().GetId(), a.newProgress()
	defer show.end()
	row := &packagesv1.PackageUpdate{}
	targets := []*statev1.Target{{Id: "u", Selectors: []*statev1.Selector{{Kind: "packageupdate", Id: id}, {Kind: "progress"}}}}
	err := c.Watch(ctx, targets, func(up *statev1.Update) (bool, error) {
		gone := false
		for _, ch := range up.GetChanges() {
			switch {
			case ch.GetKind() == "packageupdate":
				row = ch.GetResource().GetPackageUpdate()
				gone = row == nil
			case ch.GetId() == row.GetSpec().GetOperation() && ch.GetResource().GetProgress() != nil:
				pr := ch.GetResource().GetProgress().GetStatus()
				show.set(id+": "+a.say("step.update."+pr.GetStep(), nil), pr.GetFraction(), pr.GetMessage())
			}
		}
		return gone || up.GetBookmark() != "" && row.GetSpec().GetWantedVersion() != u.GetSpec().GetWantedVersion(), nil
	})
	if ctx.Err() != nil {
		return nil, interrupted{a.say("interrupted.updates", nil)}
	}
	return row, err
}
