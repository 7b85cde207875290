package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/hearthos/hearth/api/fault"
	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	optionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/options/v1"
	"github.com/hearthos/hearth/api/s9pk"
)

//go:embed lint/observe.cjs
var observer []byte

// observed is what a package says of itself, seen once.
type observed struct {
	// Planned is false for code of another SDK, of which nothing more is known than its manifest.
	Planned bool `json:"planned"`
	Calls   []struct {
		Effect string          `json:"effect"`
		Params json.RawMessage `json:"params"`
	} `json:"calls"`
	Versions []struct {
		Version string `json:"version"`
		Up      bool   `json:"up"`
		Down    bool   `json:"down"`
	} `json:"versions"`
	Parts []struct {
		ID      string            `json:"id"`
		Image   string            `json:"image"` // empty when it has none
		Command []string          `json:"command"`
		Env     map[string]string `json:"env"`
		Volumes []string          `json:"volumes"`
		Shown   bool              `json:"shown"`
	} `json:"parts"`
	Backup []string `json:"backup"`
	// Written are the volumes that the package's own code wrote into.
	Written []string `json:"written"`
	// Home is the volume that is named first: the package's settings and secrets are in it.
	Home string `json:"home"`
}

func (a *app) lintCommand() *cobra.Command {
	var strict, trust bool
	c := &cobra.Command{
		Use: "lint DIR|FILE", Short: "Look for mistakes in a package project or a package file", Args: cobra.ExactArgs(1),
		Long: `Look for mistakes in a package project or a package file: ports, volumes that no backup
keeps, secrets that are the same everywhere, migrations that are missing, ranges of
versions that servers and packages read differently.

The package's code is loaded by node, and its init is run against effects that only
write down what they are asked; nothing of the service is started. The code sees its own
files and none of yours, starts no program, has no network and no sockets, is nobody where
you are root, and has a minute. Where the system cannot keep it from network and sockets,
as outside of Linux, package files are refused. --trust-code runs it with all your rights.
Of packages that are not written with @hearthos/sdk only the manifest is looked at.

The command fails when there are errors; with --strict also when there are warnings.`,
		Example: "  hearth s9pk lint .\n  hearth s9pk lint my-page.s9pk --strict\n  hearth s9pk lint . --output json | jq -r .rule",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.lint(cmd.Context(), args[0], strict, trust) },
	}
	c.Flags().BoolVar(&strict, "strict", false, "fail on warnings, too")
	trustFlag(c.Flags(), &trust)
	return c
}

func (a *app) lint(ctx context.Context, name string, strict, trust bool) error {
	work, err := newScratch("")
	if err != nil {
		return err
	}
	defer work.remove()
	l := &linter{}
	var code packageCode
	if l.manifest, code, err = a.codeOf(ctx, name, work, trust); err != nil {
		return err
	}
	// What is made up anew each time differs between two looks; what is the same is in the code.
	for i := range l.seen {
		raw, err := code.look(ctx, "plan")
		if err == nil {
			err = json.Unmarshal(raw, &l.seen[i])
		}
		if err != nil {
			return err
		}
	}
	return a.printFindings(l.run(), strict)
}

// unpackCode writes the code of a package file into the folder javascript of a folder.
func unpackCode(ctx context.Context, p *packageFile, dir string) error {
	r, err := p.Open(s9pk.PathJavaScript)
	if err != nil {
		return err
	}
	packed := filepath.Join(dir, "javascript.squashfs")
	f, err := os.OpenFile(packed, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, contextReader{ctx, r})
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	_, err = tool(ctx, dir, "unsquashfs", "-q", "-n", "-no-xattrs", "-d", filepath.Join(dir, "javascript"), packed)
	return err
}

// look asks the code of a package for its "plan" or its "forms", as JSON.
func (code packageCode) look(ctx context.Context, what string) ([]byte, error) {
	names, err := json.Marshal(effectNames())
	if err != nil {
		return nil, err
	}
	return code.ask(ctx, question{script: observer, args: []string{string(names), what}, env: []string{"PATH=" + os.Getenv("PATH")}})
}

// lookFailed tells why the code of a package could not be looked at.
func lookFailed(ctx context.Context, said string) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return badProject("cannot look at the package: its code does not come to its end within %s", codeLimit)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case strings.Contains(said, "ERR_ACCESS_DENIED"):
		return badProject("cannot look at the package: when it is loaded, its code asks for more than its own files:\n%s", strings.TrimSpace(said))
	}
	return badProject("cannot look at the package: its code failed:\n%s", strings.TrimSpace(said))
}

// fenceFlag is the option of node that keeps code to the files it is given, and from other programs. It had another name
// before node 22.13.
func fenceFlag(ctx context.Context) (string, error) {
	err := exec.CommandContext(ctx, "node", "--permission", "--version").Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", fault.New(metav1.Reason_REASON_PROGRAM_MISSING, "cannot look at the package: the program node is not installed")
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err != nil:
		return "--experimental-permission", nil
	}
	return "--permission", nil
}

// maxSaid bounds what is kept of what a package's code says.
const maxSaid = 2000

// tail keeps the end of what is written to it.
type tail struct{ last []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.last = append(t.last, p[max(0, len(p)-maxSaid):]...)
	t.last = append([]byte(nil), t.last[max(0, len(t.last)-maxSaid):]...)
	return len(p), nil
}

// effectNames are the names of all effects of the contract.
func effectNames() (names []string) {
	methods := effectsv1.File_hearth_effects_v1_effects_proto.Services().Get(0).Methods()
	for i := range methods.Len() {
		if name, _ := proto.GetExtension(methods.Get(i).Options(), optionsv1.E_Effect).(string); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func (a *app) printFindings(found []finding, strict bool) error {
	errs, rows := 0, make([][]string, len(found))
	for i, f := range found {
		text := a.say("lint."+f.rule, f.values)
		if f.grave || strict {
			errs++
		}
		rows[i] = []string{f.level(), f.rule, f.where, text}
		if a.rows() {
			if err := a.printRow(map[string]any{"level": f.level(), "rule": f.rule, "where": f.where, "text": text}); err != nil {
				return err
			}
		}
	}
	if !a.rows() && len(found) > 0 {
		if err := a.table([]string{"level", "rule", "where", "what"}, rows); err != nil {
			return err
		}
	}
	if !a.rows() && len(found) == 0 {
		if _, err := fmt.Fprintln(a.Out, a.say("lint.nothing", nil)); err != nil {
			return err
		}
	}
	if errs == 1 {
		return fault.New(metav1.Reason_REASON_PROJECT_INVALID, "the linter found one mistake")
	}
	if errs > 0 {
		return fault.New(metav1.Reason_REASON_PROJECT_INVALID, "the linter found %d mistakes", errs)
	}
	return nil
}
