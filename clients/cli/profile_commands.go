package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) profileCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "profile", Short: "Servers by name",
		Long: `A profile is a server with what opens it: address, root certificate and token.
Profiles are kept in ~/.config/hearth/config.yaml, which nobody else may read.

A command speaks with the server of --host, --profile, $HEARTH_HOST, $HEARTH_PROFILE or
the profile in use, whichever comes first, else with the one on this machine.`,
	}
	c.AddCommand(a.profileListCommand(), a.profileShowCommand(), a.profileSaveCommand(), a.profileUseCommand(), a.profileRemoveCommand())
	return c
}

// profileRow is what may be shown of a profile: no secrets.
func profileRow(c *config, name string) map[string]any {
	p := c.Profiles[name]
	return map[string]any{"id": name, "host": p.Host, "current": name == c.Current, "ca": p.CA != "", "token": p.Token != ""}
}

func (a *app) printProfiles(c *config, names ...string) error {
	var table [][]string
	for _, name := range names {
		row := profileRow(c, name)
		if a.rows() {
			if err := a.printRow(row); err != nil {
				return err
			}
			continue
		}
		mark := ""
		if row["current"] == true {
			mark = "*"
		}
		table = append(table, []string{name, mark, c.Profiles[name].Host, yesNo(row["ca"] == true), yesNo(row["token"] == true)})
	}
	if a.rows() {
		return nil
	}
	return a.table([]string{"profile", "used", "host", "ca", "token"}, table)
}

func (a *app) profileListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the profiles", Args: cobra.NoArgs,
		Example: "  hearth profile list",
		RunE: func(*cobra.Command, []string) error {
			c, err := loadConfig()
			if err != nil {
				return err
			}
			return a.printProfiles(c, slices.Sorted(maps.Keys(c.Profiles))...)
		},
	}
}

func (a *app) profileShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show [NAME]", Short: "Show a profile, or the server that commands speak with now", Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeProfile,
		Example: "  hearth profile show\n  hearth profile show home --output json",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.printConnection()
			}
			c, err := loadConfig()
			if err != nil {
				return err
			}
			if _, err := c.find(args[0]); err != nil {
				return err
			}
			return a.printProfiles(c, args[0])
		},
	}
}

// printConnection says with which server commands speak now.
func (a *app) printConnection() error {
	to, err := a.connection()
	if err != nil {
		return err
	}
	if a.rows() {
		return a.printRow(map[string]any{"host": to.host, "from": to.from, "ca": len(to.options.RootPEM) > 0, "token": to.options.Token != ""})
	}
	fmt.Fprintf(a.Out, "%s (%s)\n", printable(to.host), to.from)
	return nil
}

func (a *app) profileSaveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "save NAME", Short: "Keep what --host, --ca and --token say as a profile, and use it", Args: cobra.ExactArgs(1), ValidArgsFunction: completeProfile,
		Long: `Keep the server that --host, --ca and --token name, or the variables that stand for
them, as a profile, and use it from now on. The root certificate is copied, so the file
is not needed any more. What is not said stays as it was in the profile.`,
		Example: "  hearth profile save home --host https://server:8443 --ca ca.crt --token $TOKEN",
		RunE: func(_ *cobra.Command, args []string) error {
			name := args[0]
			if !profileName.MatchString(name) {
				return wrong("usage.profile-name", "Name", name)
			}
			c, err := changeConfig(func(c *config) error { return a.saveProfile(c, name) })
			if err != nil {
				return err
			}
			return a.printProfiles(c, name)
		},
	}
}

// saveProfile puts what was said of a server into its profile, and makes it the one in use.
func (a *app) saveProfile(c *config, name string) error {
	p := c.Profiles[name]
	if host := a.saidHost(); host != "" && host != p.Host {
		p = profile{Host: host} // what opened the one does not open the other
	}
	if p.Host == "" {
		return wrong("usage.profile-host", "Name", name)
	}
	if token := a.saidToken(); token != "" {
		p.Token = token
	}
	ca, err := a.saidCA()
	if err != nil {
		return err
	}
	if len(ca) > 0 {
		p.CA = string(ca)
	}
	if err := checkProfile(p); err != nil {
		return err
	}
	c.Profiles[name], c.Current = p, name
	return nil
}

func (a *app) profileUseCommand() *cobra.Command {
	var local bool
	c := &cobra.Command{
		Use: "use NAME", Short: "Speak with the server of this profile from now on", Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeProfile,
		Example: "  hearth profile use home\n  hearth profile use --local",
		RunE: func(_ *cobra.Command, args []string) error {
			if local == (len(args) == 1) {
				return wrong("usage.profile-or-local")
			}
			c, err := changeConfig(func(c *config) error {
				c.Current = strings.Join(args, "")
				if local {
					return nil
				}
				_, err := c.find(c.Current)
				return err
			})
			if err != nil {
				return err
			}
			if local {
				return a.printConnection()
			}
			return a.printProfiles(c, c.Current)
		},
	}
	c.Flags().BoolVar(&local, "local", false, "use no profile: the server on this machine")
	return c
}

func (a *app) profileRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Forget a profile and what opens its server", Args: cobra.ExactArgs(1), ValidArgsFunction: completeProfile,
		Example: "  hearth profile remove home",
		RunE: func(_ *cobra.Command, args []string) error {
			_, err := changeConfig(func(c *config) error {
				if _, err := c.find(args[0]); err != nil {
					return err
				}
				delete(c.Profiles, args[0])
				if c.Current == args[0] {
					c.Current = ""
				}
				return nil
			})
			if err != nil {
				return err
			}
			if a.rows() {
				return a.printRow(map[string]any{"id": args[0], "deleted": true})
			}
			a.tell("profile.removed", map[string]any{"Name": args[0]})
			return nil
		},
	}
}

// completeProfile completes the names of profiles.
func completeProfile(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list []string
	if c, err := loadConfig(); err == nil && len(args) == 0 {
		for _, name := range slices.Sorted(maps.Keys(c.Profiles)) {
			list = append(list, name+"\t"+printable(c.Profiles[name].Host))
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
