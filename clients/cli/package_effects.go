package main

import (
	"context"

	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"

	"github.com/hearthos/hearth/clients/go"
	"github.com/spf13/cobra"
)

func (a *app) effectsCommand() *cobra.Command {
	var lenient, strict bool
	c := &cobra.Command{
		Use: "effects ID", Short: "Show what a package asked for beyond what it may have, and let it", Args: cobra.ExactArgs(1),
		Long: `Show what a package asked of the server that it may not have: what its manifest does
not declare, such as the data of a package it does not depend on, and what this
release of Hearth does not have.

With --lenient what goes beyond the manifest is from then on let through and recorded,
instead of refused and recorded, as StartOS itself does it: the package can then read
and write what belongs to other packages. --strict takes that back.`,
		Example: "  hearth package effects hello\n  hearth package effects hello --lenient", ValidArgsFunction: a.completeInstalled,
		RunE: func(cmd *cobra.Command, args []string) error {
			if lenient && strict {
				return wrong("usage.effects-both")
			}
			return a.with(cmd, func(ctx context.Context, c *hearth.Client) error {
				if lenient || strict {
					if _, err := c.EffectPolicies.SetEffectPolicy(ctx, &packagesv1.SetEffectPolicyRequest{Id: args[0], Lenient: lenient}); err != nil {
						return err
					}
				}
				return a.showEffects(ctx, c, args[0])
			})
		},
	}
	c.Flags().BoolVar(&lenient, "lenient", false, "let the package have what goes beyond its manifest, and record it")
	c.Flags().BoolVar(&strict, "strict", false, "refuse what goes beyond its manifest, and record it")
	return c
}

func (a *app) showEffects(ctx context.Context, c *hearth.Client, id string) error {
	resp, err := c.EffectPolicies.GetEffectPolicy(ctx, &packagesv1.GetEffectPolicyRequest{Id: id})
	if err != nil {
		return err
	}
	if a.rows() {
		return printRows(a, resp.GetRefused())
	}
	if resp.GetPolicy().GetSpec().GetLenient() {
		a.tell("effects.lenient", map[string]any{"ID": id})
	} else {
		a.tell("effects.strict", map[string]any{"ID": id})
	}
	var table [][]string
	for _, r := range resp.GetRefused() {
		st := r.GetStatus()
		table = append(table, []string{st.GetEffect(), st.GetTarget(), word(st.GetOutcome()), st.GetVersion(), since(st.GetFirstTime())})
	}
	return a.table([]string{"effect", "target", "outcome", "version", "age"}, table)
}
