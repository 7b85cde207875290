package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	auditv1 "github.com/hearthos/hearth/api/gen/go/hearth/audit/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// auditFilter is which entries somebody wants to see.
type auditFilter struct {
	caller, method, outcome, since string
	limit                          int
}

func (a *app) auditCommand() *cobra.Command {
	var f auditFilter
	var follow bool
	c := &cobra.Command{
		Use: "audit", Short: "Show what was done on the server, and by whom", Args: cobra.NoArgs,
		Long: `Show what was done on the server, and by whom: every call that could change something,
the newest last. Calls that were refused are there too; many from one place are counted in
one entry.`,
		Example: `  hearth audit
  hearth audit --since 24h --method package
  hearth audit --caller alex --outcome refused
  hearth audit --follow`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := f.request(time.Now())
			if err != nil {
				return usageError{err}
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if follow {
					return a.followAudit(ctx, c, req)
				}
				return a.listAudit(ctx, c, req, f.limit)
			})
		},
	}
	flags := c.Flags()
	flags.BoolVarP(&follow, "follow", "f", false, "go on with what is done from now on")
	flags.StringVar(&f.since, "since", "", "only from then on: a time, or how long ago as in 24h")
	flags.StringVar(&f.caller, "caller", "", `only of this caller: an account, "local", or the id of a credential`)
	flags.StringVar(&f.method, "method", "", "only methods whose name contains this")
	flags.StringVar(&f.outcome, "outcome", "", "only with this outcome: done, refused, failed or begun")
	flags.IntVar(&f.limit, "limit", 100, "at most so many")
	_ = c.RegisterFlagCompletionFunc("outcome", cobra.FixedCompletions([]string{"done", "refused", "failed", "begun"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (f auditFilter) request(now time.Time) (*auditv1.ListEntriesRequest, error) {
	req := &auditv1.ListEntriesRequest{Caller: f.caller, Method: f.method}
	if f.outcome != "" {
		value, ok := auditv1.EntryStatus_Outcome_value["OUTCOME_"+strings.ToUpper(f.outcome)]
		if !ok || value == 0 {
			return nil, wrong("usage.audit-outcome", "Value", f.outcome)
		}
		req.Outcome = auditv1.EntryStatus_Outcome(value)
	}
	if f.limit < 1 {
		return nil, wrong("usage.audit-limit")
	}
	if f.since == "" {
		return req, nil
	}
	at, err := pointInTime(f.since, now)
	req.Since = timestamppb.New(at)
	return req, err
}

func (a *app) listAudit(ctx context.Context, c *hearth.Client, req *auditv1.ListEntriesRequest, limit int) error {
	var entries []*auditv1.Entry
	for len(entries) < limit {
		req.PageSize = int32(min(limit-len(entries), 1000))
		resp, err := c.Audit.ListEntries(ctx, req)
		if err != nil {
			return err
		}
		entries = append(entries, resp.GetEntries()...)
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	slices.Reverse(entries)
	if a.rows() {
		return printRows(a, entries)
	}
	var table [][]string
	for _, e := range entries {
		table = append(table, auditLine(e))
	}
	return a.table([]string{"time", "caller", "from", "method", "about", "outcome"}, table)
}

// followAudit shows the entries there are and then the ones to come.
func (a *app) followAudit(ctx context.Context, c *hearth.Client, req *auditv1.ListEntriesRequest) error {
	targets := []*statev1.Target{{Id: "audit", Selectors: []*statev1.Selector{{Kind: "audit"}}}}
	return c.Watch(ctx, targets, func(u *statev1.Update) (bool, error) {
		for _, ch := range u.GetChanges() {
			e := ch.GetResource().GetAudit()
			if e == nil || !wantsEntry(e, req) || u.GetPhase() == statev1.Update_PHASE_SNAPSHOT && req.GetSince() == nil {
				continue
			}
			if a.rows() {
				if err := a.printRow(flatten(e)); err != nil {
					return true, err
				}
				continue
			}
			if _, err := fmt.Fprintln(a.Out, printable(strings.Join(auditLine(e), "  "))); err != nil {
				return true, err
			}
		}
		return false, nil
	})
}

func wantsEntry(e *auditv1.Entry, req *auditv1.ListEntriesRequest) bool {
	return (req.GetCaller() == "" || req.GetCaller() == e.GetSpec().GetCaller() || req.GetCaller() == e.GetSpec().GetCallerId()) &&
		strings.Contains(strings.ToLower(e.GetSpec().GetMethod()), strings.ToLower(req.GetMethod())) &&
		(req.GetOutcome() == 0 || req.GetOutcome() == e.GetStatus().GetOutcome()) &&
		(req.GetSince() == nil || !e.GetSpec().GetCallTime().AsTime().Before(req.GetSince().AsTime()))
}

// auditLine is an entry as people read it.
func auditLine(e *auditv1.Entry) []string {
	spec, st := e.GetSpec(), e.GetStatus()
	method := strings.Split(spec.GetMethod(), ".")
	var about []string
	for _, name := range slices.Sorted(maps.Keys(spec.GetTargets())) {
		about = append(about, spec.GetTargets()[name])
	}
	from := spec.GetAddress()
	if from == "" {
		from = fmt.Sprintf("user %d", spec.GetUid())
	}
	outcome := word(st.GetOutcome())
	if st.GetReason() != metav1.Reason_REASON_UNSPECIFIED {
		outcome += ": " + word(st.GetReason())
	}
	if st.GetCount() > 1 {
		outcome += fmt.Sprintf(" (%d times)", st.GetCount())
	}
	caller := spec.GetCaller()
	if caller == "" {
		caller = "-"
	}
	return []string{
		spec.GetCallTime().AsTime().Local().Format(time.DateTime), caller, from, method[len(method)-1], strings.Join(about, " "), outcome,
	}
}
