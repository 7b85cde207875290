package main

import (
	"context"
	"fmt"

	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) retryCommand() *cobra.Command {
	return &cobra.Command{
		Use: "retry ID", Short: "Try an operation again that is stuck or has failed", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeOperation(func(op *operationsv1.Operation) bool {
			return underWay(op) || op.GetStatus().GetState() == operationsv1.OperationStatus_STATE_FAILED
		}),
		Long: `Try an operation again.

One that is stuck at a step does not wait for its next attempt. One that has failed or
was cancelled is begun anew, as another operation, where that can be done from what is
recorded of it: an installation cannot, since its file is gone.`,
		Example: "  hearth operations retry 01m85wmxkfm468vnc1kjsw2k3p",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Operations.RetryOperation(ctx, &operationsv1.RetryOperationRequest{Id: args[0]})
				if err != nil {
					return err
				}
				return a.printOperations(resp.GetOperation())
			})
		},
	}
}

func (a *app) giveUpCommand() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "give-up ID", Short: "Leave a stuck step of an operation as it is", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeOperation(underWay),
		Long: `Leave the step of an operation as it is at which it is stuck.

An operation that fails undoes what it did, and tries until it can. When that cannot
succeed it holds what it works on for ever. Giving up leaves the step at hand as it is;
the steps before it are undone still. Then the operation ends, what it held is free, and
'hearth operations show' tells what was left behind.`,
		Example: "  hearth operations give-up 01m85wmxkfm468vnc1kjsw2k3p",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.Operations.GiveUpOperation(ctx, &operationsv1.GiveUpOperationRequest{Id: args[0], Force: force})
				if err != nil {
					return err
				}
				return a.printOperations(resp.GetOperation())
			})
		},
	}
	c.Flags().BoolVar(&force, "force", false, "also while the first attempt at the step goes on, which is cut off")
	return c
}

// showStuck tells people why an operation does not get on, and what was left behind.
func (a *app) showStuck(op *operationsv1.Operation) {
	if s := op.GetStatus().GetStuck(); s != nil {
		fmt.Fprintf(a.Out, "%s\n", a.say("operation.stuck", map[string]any{
			"Attempts": s.GetAttempts(), "Message": printable(s.GetFault().GetMessage()),
			"Retry": "hearth operations retry " + op.GetMeta().GetId(), "GiveUp": "hearth operations give-up " + op.GetMeta().GetId(),
		}))
	}
	for _, what := range op.GetStatus().GetLeftBehind() {
		fmt.Fprintf(a.Out, "%s %s\n", a.say("operation.left", nil), printable(what))
	}
}
