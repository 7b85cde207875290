package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/hearthos/hearth/api/text"
	"github.com/spf13/cobra"
)

// No word of the library comes through, in whichever language: each wrong usage has its text, a hint and exit code 2.
func TestWrongUsageIsToldInEveryLanguage(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"unknown command":       {"bogus"},
		"unknown part":          {"package", "isntall"},
		"unknown topic":         {"help", "bogus"},
		"unknown flag":          {"package", "list", "--nope"},
		"unknown flag near one": {"package", "list", "--out"},
		"unknown letter":        {"package", "list", "-z"},
		"flag without value":    {"package", "list", "--host"},
		"value of a flag":       {"package", "list", "--quiet=maybe"},
		"syntax of a flag":      {"package", "list", "--=x"},
		"too few arguments":     {"package", "show"},
		"too many arguments":    {"package", "list", "extra"},
		"flags that exclude":    {"api", "--list", "--describe"},
		"flag that is required": {"strict"},
	} {
		told := map[string]string{} // language by text
		for _, lang := range text.Languages() {
			err := usageOf(t, lang, args...)
			if !errors.As(err, new(usageError)) || exitCode(err) != exitUsage {
				t.Errorf("%s, %s: %v is no wrong usage", name, lang, err)
				continue
			}
			hint, _ := text.In(lang).Lookup("usage.see-help", map[string]any{"Command": "hearth"})
			if hint, _, _ = strings.Cut(hint, "hearth"); !strings.Contains(err.Error(), "; "+hint) {
				t.Errorf("%s, %s: %q gives no hint", name, lang, err)
			}
			for _, word := range []string{"unknown", "accepts", "arg(s)", "required", "shorthand", "group", "strconv", "<no value>"} {
				if strings.Contains(err.Error(), word) {
					t.Errorf("%s, %s: %q has words of the library", name, lang, err)
				}
			}
			if other, twice := told[err.Error()]; twice {
				t.Errorf("%s: %q is told in %s and in %s", name, err, other, lang)
			}
			told[err.Error()] = lang
		}
	}
}

// usageOf runs the command line, with one command more that has a required flag.
func usageOf(t *testing.T, lang string, args ...string) error {
	t.Helper()
	a := &app{Streams: Streams{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}, texts: text.In(lang)}
	root := a.newRoot()
	strict := &cobra.Command{Use: "strict", RunE: func(*cobra.Command, []string) error { return nil }}
	strict.Flags().String("must", "", "")
	if err := strict.MarkFlagRequired("must"); err != nil {
		t.Fatal(err)
	}
	root.AddCommand(strict)
	root.SetArgs(args)
	return root.ExecuteContext(t.Context())
}
