package main

import (
	"fmt"
	"io"

	"github.com/hearthos/hearth/api/exver"
	"github.com/spf13/cobra"
)

func (a *app) exverCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "exver", Short: "Read and compare versions of packages",
		Long: `Read and compare versions of packages and the ranges they are held against.

A version is [#flavor:]upstream:downstream, as in 29.1:2 or #knots:29.1:0. What is no version
or no range ends a command with status 2.`,
		Example: "  hearth exver compare 1.2:0 1.10:0\n  hearth exver satisfies 1.2.3:0 '^1.2'",
	}
	c.AddCommand(a.exverParse(), a.exverCompare(), a.exverSatisfies(), a.exverNormalize())
	return c
}

// version reads a version; what is none is wrong usage.
func version(text string) (exver.Version, error) {
	v, err := exver.Parse(text)
	if err != nil {
		return v, usageError{err}
	}
	return v, nil
}

func (a *app) exverParse() *cobra.Command {
	var emver bool
	c := &cobra.Command{
		Use: "parse VERSION", Short: "Print a version in its canonical form", Args: cobra.ExactArgs(1),
		Example: "  hearth exver parse '#knots:29.01:0'\n  hearth exver parse --emver 0.3.5.1",
		RunE: func(_ *cobra.Command, args []string) error {
			read := version
			if emver {
				read = oldVersion
			}
			v, err := read(args[0])
			if err != nil {
				return err
			}
			row := map[string]any{"version": v.String(), "upstream": v.Upstream().String(), "downstream": v.Downstream().String(), "flavor": nil}
			if name, ok := v.Flavor(); ok {
				row["flavor"] = name
			}
			return a.print(row, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, v)
				return err
			})
		},
	}
	c.Flags().BoolVar(&emver, "emver", false, "read a version of StartOS 0.3, three or four numbers")
	return c
}

func oldVersion(text string) (exver.Version, error) {
	v, err := exver.ParseEmver(text)
	if err != nil {
		return v, usageError{err}
	}
	return v, nil
}

func (a *app) exverCompare() *cobra.Command {
	return &cobra.Command{
		Use: "compare A B", Short: "Say which of two versions is later", Args: cobra.ExactArgs(2),
		Long: `Print -1, 0 or 1 when version A comes before, equals or comes after B, and incomparable
when their flavors differ.`,
		Example: "  hearth exver compare 1.2:0 1.10:0",
		RunE: func(_ *cobra.Command, args []string) error {
			x, err := version(args[0])
			if err != nil {
				return err
			}
			y, err := version(args[1])
			if err != nil {
				return err
			}
			var order any = "incomparable"
			if n, ok := x.Compare(y); ok {
				order = n
			}
			return a.print(map[string]any{"order": order}, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, order)
				return err
			})
		},
	}
}

func (a *app) exverSatisfies() *cobra.Command {
	return &cobra.Command{
		Use: "satisfies VERSION RANGE", Short: "Say whether a version lies in a range", Args: cobra.ExactArgs(2),
		Long: `Print true or false. The range is read as a server reads it when it decides what may be
installed; what is ambiguous in it is told on standard error.`,
		Example: "  hearth exver satisfies 1.2.3:0 '>=1.2 <2'",
		RunE: func(_ *cobra.Command, args []string) error {
			v, err := version(args[0])
			if err != nil {
				return err
			}
			r, err := exver.ParseRange(args[1])
			if err != nil {
				return usageError{err}
			}
			warnings, err := exver.Lint(args[1])
			if err != nil {
				return usageError{err}
			}
			row := map[string]any{"satisfies": v.Satisfies(r), "warnings": a.rangeWarnings(warnings)}
			return a.print(row, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, v.Satisfies(r))
				return err
			})
		},
	}
}

func (a *app) exverNormalize() *cobra.Command {
	return &cobra.Command{
		Use: "normalize RANGE", Short: "Print a range as a list of stretches, and what is ambiguous in it", Args: cobra.ExactArgs(1),
		Long: `Print the normal form of a range, in which the code of a package compares ranges (as version
2.0.9 of the SDK does): * for everything, ! for nothing. What a server and the code of a
package read differently is told on standard error.`,
		Example: "  hearth exver normalize '>=1:0 !=2:0'\n  hearth exver normalize '^0'",
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := exver.ParseCodeRange(args[0])
			if err != nil {
				return usageError{err}
			}
			warnings, err := exver.Lint(args[0])
			if err != nil {
				return usageError{err}
			}
			list := a.rangeWarnings(warnings)
			row := map[string]any{"range": r.Normal().String(), "satisfiable": r.Satisfiable(), "warnings": list}
			return a.print(row, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, r.Normal())
				return err
			})
		},
	}
}

// rangeWarnings answers what was found in a range as rows, and tells people.
func (a *app) rangeWarnings(warnings []exver.Warning) []map[string]any {
	list := []map[string]any{}
	for _, w := range warnings {
		list = append(list, map[string]any{"code": w.Code, "at": w.At, "message": w.Why})
		if !a.rows() {
			fmt.Fprintf(a.Err, "warning, at character %d: %s (%s)\n", w.At+1, printable(w.Why), w.Code)
		}
	}
	return list
}
