package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// What is wrong with the words of a command line is told in the person's language, whatever the library that found it
// says: the library's own words are English.

// wrongUsage is a text of the catalogue about wrong usage of a command, with where its help is.
func (a *app) wrongUsage(key string, cmd *cobra.Command, values map[string]any) error {
	hint := a.say("usage.see-help", map[string]any{"Command": cmd.CommandPath()})
	return usageError{spoken(a.say(key, values) + "; " + hint)}
}

// flagError words what is wrong with a flag.
func (a *app) flagError(cmd *cobra.Command, err error) error {
	var (
		unknown *pflag.NotExistError
		bare    *pflag.ValueRequiredError
		value   *pflag.InvalidValueError
		syntax  *pflag.InvalidSyntaxError
	)
	switch {
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			return a.wrongUsage("usage.unknown-flag", cmd, map[string]any{"Flag": "-" + name})
		}
		if near := nearFlag(cmd, name); near != "" {
			return a.wrongUsage("usage.unknown-flag-near", cmd, map[string]any{"Flag": "--" + name, "Near": "--" + near})
		}
		return a.wrongUsage("usage.unknown-flag", cmd, map[string]any{"Flag": "--" + name})
	case errors.As(err, &bare):
		return a.wrongUsage("usage.flag-without-value", cmd, map[string]any{"Flag": dashed(bare.GetSpecifiedName(), bare.GetSpecifiedShortnames())})
	case errors.As(err, &value):
		return a.wrongUsage("usage.flag-value", cmd, map[string]any{
			"Flag": "--" + value.GetFlag().Name, "Value": value.GetValue(), "Kind": a.flagKind(value.GetFlag()),
		})
	case errors.As(err, &syntax):
		return a.wrongUsage("usage.flag-syntax", cmd, map[string]any{"Flag": syntax.GetSpecifiedFlag()})
	}
	return usageError{err}
}

// flagKind says what a flag takes.
func (a *app) flagKind(f *pflag.Flag) string {
	switch kind := f.Value.Type(); kind {
	case "bool":
		return a.say("usage.kind.truth", nil)
	case "duration":
		return a.say("usage.kind.duration", nil)
	case "int", "int32", "int64", "uint", "uint32", "uint64":
		return a.say("usage.kind.number", nil)
	default:
		return kind
	}
}

// dashed writes a flag as it was given: by its name, or by a letter among others.
func dashed(name, letters string) string {
	if letters != "" {
		return "-" + name
	}
	return "--" + name
}

// nearFlag is a flag of the command that begins as a name does, or as which the name begins.
func nearFlag(cmd *cobra.Command, name string) string {
	near := ""
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && len(name) > 1 && near == "" && (strings.HasPrefix(f.Name, name) || strings.HasPrefix(name, f.Name)) {
			near = f.Name
		}
	})
	return near
}

// unknownCommand says that a command has no such part.
func (a *app) unknownCommand(cmd *cobra.Command, word string) error {
	values := map[string]any{"Command": cmd.CommandPath() + " " + word}
	if list := cmd.SuggestionsFor(word); len(list) > 0 {
		values["Near"] = list[0]
		return a.wrongUsage("usage.unknown-command-near", cmd, values)
	}
	return a.wrongUsage("usage.unknown-command", cmd, values)
}

// argumentsError says how a command that was given wrong arguments is used.
func (a *app) argumentsError(cmd *cobra.Command, args []string) error {
	return a.wrongUsage("usage.arguments", cmd, map[string]any{"Count": len(args), "Use": cmd.UseLine()})
}

// checkFlagGroups words what the library finds only after the arguments: flags that are missing, and flags that exclude
// each other.
func (a *app) checkFlagGroups(cmd *cobra.Command) error {
	if cmd.ValidateRequiredFlags() != nil {
		var missing []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if required := f.Annotations[cobra.BashCompOneRequiredFlag]; len(required) == 1 && required[0] == "true" && !f.Changed {
				missing = append(missing, "--"+f.Name)
			}
		})
		return a.wrongUsage("usage.flags-missing", cmd, map[string]any{"Flags": strings.Join(missing, ", ")})
	}
	if cmd.ValidateFlagGroups() != nil {
		var given []string
		cmd.Flags().Visit(func(f *pflag.Flag) { given = append(given, "--"+f.Name) })
		return a.wrongUsage("usage.flags-together", cmd, map[string]any{"Flags": strings.Join(given, ", ")})
	}
	return nil
}
