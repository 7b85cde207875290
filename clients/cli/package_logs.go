package main

import (
	"context"
	"fmt"
	"time"

	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func (a *app) logsCommand() *cobra.Command {
	req := &logsv1.ReadLogsRequest{}
	var tail int32
	var since, until string
	c := &cobra.Command{
		Use: "logs ID", Short: "Show what a service printed", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeInstalled,
		Long: `Show what the programs of a service printed, the oldest line first.

The newest 64 MB of each service are kept. Where lines are missing because there were
more, or because they came faster than the disk takes, a line says so.`,
		Example: `  hearth package logs hello
  hearth package logs hello --follow --tail 20
  hearth package logs hello --since 1h --grep '(?i)error'
  hearth package logs nextcloud --source postgres --since 2026-05-04T12:00 --until 2026-05-04T13:00`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if req.Since, err = logTime(since); err != nil {
				return err
			}
			if req.Until, err = logTime(until); err != nil {
				return err
			}
			if req.PackageId = args[0]; cmd.Flags().Changed("tail") {
				req.Tail = &tail
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				return c.ReadLogs(ctx, req, a.printLine)
			})
		},
	}
	c.Flags().BoolVarP(&req.Follow, "follow", "f", false, "go on with new lines as they come")
	c.Flags().Int32VarP(&tail, "tail", "n", 200, "begin with so many lines from the end; 0 shows new ones only; all with --since")
	c.Flags().StringVar(&since, "since", "", "only lines of this time or later: a time, or how long ago (30m, 2d)")
	c.Flags().StringVar(&until, "until", "", "only lines before this time, given as for --since")
	c.Flags().StringVarP(&req.Grep, "grep", "g", "", "only lines in which this regular expression matches; (?i) ignores case")
	c.Flags().StringVar(&req.Source, "source", "", "only lines of this program")
	return c
}

// printLine prints a line of a log.
func (a *app) printLine(e *logsv1.LogEntry) error {
	if a.rows() {
		return a.printRow(flatten(e))
	}
	from := ""
	if e.GetSource() != "" {
		from = printable(e.GetSource()) + ": "
	}
	_, err := fmt.Fprintf(a.Out, "%s %s%s\n", e.GetTime().AsTime().Local().Format("2006-01-02 15:04:05.000"), from, printLog(e.GetMessage()))
	return err
}

// logTime reads a time as people give it, nil when none is given.
func logTime(s string) (*timestamppb.Timestamp, error) {
	if s == "" {
		return nil, nil
	}
	t, err := pointInTime(s, time.Now())
	return timestamppb.New(t), err
}
