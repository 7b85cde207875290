package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) systemCommand() *cobra.Command {
	c := &cobra.Command{Use: "system", Short: "The server itself"}
	c.AddCommand(a.stateCommand(), a.shutdownCommand(), a.restartServerCommand(), a.powerOffCommand(), a.capabilitiesCommand(), a.hardwareCommand(),
		a.settingsCommand(), a.nameCommand(), a.languageCommand(), a.smtpCommand())
	return c
}

func (a *app) stateCommand() *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use: "state", Short: "Show how far the server is, also while it starts", Args: cobra.NoArgs,
		Long: `Show in which phase the server is and, while it starts, what it does right now.

Everyone may ask, without a credential. With --follow the log of the start is
printed until the server runs; that takes an administrator.`,
		Example: "  hearth system state\n  hearth system state --follow",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if follow {
					if err := a.followStart(ctx, c); err != nil {
						return err
					}
				}
				state, err := c.System.GetState(ctx, &systemv1.GetStateRequest{})
				if err != nil {
					return err
				}
				phase := strings.ToLower(strings.TrimPrefix(state.GetPhase().String(), "PHASE_"))
				if a.rows() {
					return a.printRow(map[string]any{
						"phase": phase, "step": state.GetStep(), "steps_done": state.GetStepsDone(), "steps": state.GetSteps(),
						"start_time": state.GetStartTime().AsTime(),
					})
				}
				fmt.Fprintf(a.Out, "phase  %s\n", phase)
				if state.GetStep() != "" {
					fmt.Fprintf(a.Out, "step   %d of %d: %s\n", state.GetStepsDone()+1, state.GetSteps(), state.GetStep())
				}
				return nil
			})
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "print the log of the start until the server runs")
	return c
}

// followStart prints the log of the start.
func (a *app) followStart(ctx context.Context, c *hearth.Client) error {
	stream, err := c.System.FollowStart(ctx, &systemv1.FollowStartRequest{})
	if err != nil {
		return err
	}
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, l := range resp.GetLines() {
			row := map[string]any{"time": l.GetTime().AsTime(), "level": l.GetLevel(), "text": l.GetText()}
			switch {
			case a.rows():
				err = a.printRow(row)
			default:
				_, err = fmt.Fprintf(a.Out, "%s  %-5s  %s\n", l.GetTime().AsTime().Local().Format("15:04:05.000"), l.GetLevel(), l.GetText())
			}
			if err != nil {
				return err
			}
		}
	}
}

func (a *app) shutdownCommand() *cobra.Command {
	var services bool
	c := &cobra.Command{
		Use: "shutdown", Short: "Stop the daemon; services go on unless --services", Args: cobra.NoArgs,
		Long: `Stop the daemon, and wait until it is gone.

Services and the front door go on without it: they keep answering, and the daemon
takes them up again when it is started. With --services all services stop first.`,
		Example: "  hearth system shutdown\n  hearth system shutdown --services",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error { return a.shutdown(ctx, c, services) })
		},
	}
	c.Flags().BoolVar(&services, "services", false, "stop all services first")
	return c
}

func (a *app) shutdown(ctx context.Context, c *hearth.Client, services bool) error {
	to, err := a.connection()
	if err != nil {
		return err
	}
	end, err := watchEnd(ctx, c, to.host)
	if err != nil {
		return err
	}
	defer end.close()
	show := a.newProgress()
	defer show.end()
	if services {
		show.set(a.say("progress.stopping-services", nil), 0.3, "")
	}
	if _, err := c.System.Shutdown(ctx, &systemv1.ShutdownRequest{Services: services}); err != nil {
		return err
	}
	show.set(a.say("progress.stopping-daemon", nil), 0.8, "")
	if err := end.wait(ctx); err != nil {
		return err
	}
	show.end()
	if a.rows() {
		return a.printRow(map[string]any{"stopped": true, "services": services})
	}
	if services {
		a.tell("system.all-stopped", nil)
	} else {
		a.tell("system.daemon-stopped", nil)
	}
	return nil
}

func (a *app) capabilitiesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "capabilities", Short: "Show what this machine offers", Args: cobra.NoArgs,
		Example: "  hearth system capabilities",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				resp, err := c.System.GetCapabilities(ctx, &systemv1.GetCapabilitiesRequest{})
				if err != nil {
					return err
				}
				if a.rows() {
					return printRows(a, resp.GetCapabilities())
				}
				var table [][]string
				for _, k := range resp.GetCapabilities() {
					there := "yes"
					if !k.GetAvailable() {
						there = "no"
					}
					detail, _ := a.said("capability."+k.GetWords(), k.GetDetail(), k.GetRemedy(), k.GetMetadata())
					detail = a.quoting(detail, k.GetQuote())
					table = append(table, []string{k.GetName(), there, detail})
				}
				return a.table([]string{"capability", "available", "detail"}, table)
			})
		},
	}
}
