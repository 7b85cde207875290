package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"github.com/hearthos/hearth/api/text"
)

// say is a text of the catalogue that is not help: a sentence, a step, a heading.
func (a *app) say(key string, values map[string]any) string {
	if s, ok := a.texts.Lookup(key, values); ok {
		return s
	}
	return key
}

// tell prints a sentence for people, as a line.
func (a *app) tell(key string, values map[string]any) { fmt.Fprintln(a.Out, a.say(key, values)) }

// helpTexts calls fn for each text of the help of a command and all below it: its key in the catalogue and where it is.
// The English texts are in the code of the commands; the catalogue has them in all languages.
func helpTexts(c *cobra.Command, fn func(key string, at *string)) {
	key := "help." + strings.ReplaceAll(c.CommandPath(), " ", ".")
	fn(key+".short", &c.Short)
	if c.Long != "" {
		fn(key+".long", &c.Long)
	}
	c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) { fn(key+".flag."+f.Name, &f.Usage) })
	for _, sub := range c.Commands() {
		helpTexts(sub, fn)
	}
}

// translate puts the help of all commands into the person's language.
func (a *app) translate(root *cobra.Command) {
	root.SetUsageTemplate(a.usageTemplate())
	if a.texts.Language() == text.English {
		return
	}
	helpTexts(root, func(key string, at *string) {
		if s, ok := a.texts.Lookup(key, nil); ok {
			*at = s
		}
	})
}

// usageTemplate is how help looks.
func (a *app) usageTemplate() string {
	return a.say("usage.usage", nil) + `{{if .Runnable}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} ` + a.say("usage.command", nil) + `{{end}}{{if gt (len .Aliases) 0}}

` + a.say("usage.aliases", nil) + `
  {{.NameAndAliases}}{{end}}{{if .HasExample}}

` + a.say("usage.examples", nil) + `
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

` + a.say("usage.commands", nil) + `{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

` + a.say("usage.flags", nil) + `
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

` + a.say("usage.global", nil) + `
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

` + a.say("usage.more", map[string]any{"Command": "{{.CommandPath}}"}) + `{{end}}
`
}

func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND ...]", Short: "Show what a command does and how",
		Example: "  hearth help package install",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var list []string
			if at, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				for _, sub := range at.Commands() {
					if sub.IsAvailableCommand() {
						list = append(list, sub.Name()+"\t"+sub.Short)
					}
				}
			}
			return list, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			at, rest, err := cmd.Root().Find(args)
			if err != nil || at == nil || len(rest) > 0 {
				return a.unknownCommand(cmd.Root(), strings.Join(args, " "))
			}
			return at.Help()
		},
	}
}

// bashCompletion prints cobra's script, which puts together again what Bash has taken apart at = and :, and here at @ as well:
// of ID@VERSION the version could not be completed without the id.
func (a *app) bashCompletion(root *cobra.Command) error {
	var script strings.Builder
	if err := root.GenBashCompletionV2(&script, true); err != nil {
		return err
	}
	_, err := strings.NewReplacer(
		"init_completion -n =: ", "init_completion -n =:@ ",
		`_handle_special_char "$cur" =`, `_handle_special_char "$cur" =`+"\n    "+`__hearth_handle_special_char "$cur" @`,
	).WriteString(a.Out, script.String())
	return err
}

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use: "completion bash|zsh|fish|powershell", Short: "Print the script that lets a shell complete commands, flags and ids",
		Long: `Print the script with which a shell completes commands, flags and the ids of what is on
the server; of packages that registries have, ids and versions, too. Bash needs the package
bash-completion; zsh needs 'autoload -U compinit; compinit'.`,
		Example: `  hearth completion bash > /etc/bash_completion.d/hearth
  hearth completion zsh > "${fpath[1]}/_hearth"
  hearth completion fish > ~/.config/fish/completions/hearth.fish`,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				return a.bashCompletion(root)
			case "zsh":
				return root.GenZshCompletion(a.Out)
			case "fish":
				return root.GenFishCompletion(a.Out, true)
			default:
				return root.GenPowerShellCompletionWithDesc(a.Out)
			}
		},
	}
}

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write a manual page for each command into a folder", Args: cobra.ExactArgs(1),
		Example: "  hearth man /usr/local/share/man/man1",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return unable("failed.folder", err)
			}
			forManual(cmd.Root())
			head := &doc.GenManHeader{Section: "1", Source: "Hearth " + Version, Manual: "Hearth"}
			if err := doc.GenManTree(cmd.Root(), head, args[0]); err != nil {
				return unable("failed.manual", err)
			}
			pages, err := filepath.Glob(filepath.Join(args[0], "hearth*.1"))
			if err != nil {
				return err
			}
			if a.rows() {
				for _, page := range pages {
					if err := a.printRow(map[string]any{"file": page}); err != nil {
						return err
					}
				}
				return nil
			}
			a.tell("man.written", map[string]any{"Pages": len(pages), "Folder": args[0]})
			return nil
		},
	}
}

// forManual makes the help of a command and all below it fit for pages: lists keep their lines, and defaults that lie in
// the person's home read as they do for everybody.
func forManual(c *cobra.Command) {
	c.DisableAutoGenTag = true
	c.Long = strings.ReplaceAll(c.Long, "\n  ", "\n    ") // what markdown prints as it stands
	for _, sub := range c.Commands() {
		forManual(sub)
	}
	home, err := os.UserHomeDir()
	if err != nil || home == "/" {
		return
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if rest, ok := strings.CutPrefix(f.DefValue, home+string(filepath.Separator)); ok {
			f.DefValue = "~/" + rest
		}
	})
}
