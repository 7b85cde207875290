package main

import (
	"bufio"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	certificatesv1 "github.com/hearthos/hearth/api/gen/go/hearth/certificates/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	"github.com/spf13/cobra"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/clients/go"
)

//go:embed tests/report.mjs
var testReporter []byte

const (
	// checksFolder holds the tests of a project that need a server. Node finds none there by itself.
	checksFolder = "checks"
	// testedVariable tells checks what they check: a tested, in JSON.
	testedVariable = "HEARTH_TESTED"
	// rootsVariable names a file with roots that Node trusts besides its own.
	rootsVariable = "NODE_EXTRA_CA_CERTS"
	// beginning bounds how long an installation is asked for.
	beginning = time.Minute
	// maxTestLine bounds one line of what tests say.
	maxTestLine = 1 << 20
)

// tests is a run of the tests of a package project.
type tests struct {
	packing
	*app
	dir, build     string
	server, update bool
	limit          time.Duration
	accept         bool

	before string // the file that is installed, with --update
}

func (a *app) testCommand() *cobra.Command {
	t := &tests{app: a, dir: "."}
	c := &cobra.Command{
		Use: "test [DIR]", Short: "Run the tests of a package project, in memory or on a server", Args: cobra.MaximumNArgs(1),
		Long: `Run the tests of the package project in a folder, the one at hand when none is named.
It is built, and Node runs the tests it finds: those that use the host in memory need no
server.

With --server it is then packed for the server's architecture, installed, waited for until
it is well, checked by the tests in the folder checks, and uninstalled with its data,
whatever came of it and also after Ctrl-C. What is installed already is left alone, and so
are data that were kept of it. With --update an installed package is updated for the time
of the tests, and rolled back with its data afterwards; what it could be rolled back to
before, it can not any more.

The command fails when a test does.`,
		Example: `  hearth package test
  hearth package test . --server
  hearth --host lab package test my-page --server --output json | jq 'select(.result == "failed")'`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				t.dir = args[0]
			}
			if info, err := os.Stat(t.dir); err != nil || !info.IsDir() {
				return wrong("usage.not-a-folder", "Path", t.dir)
			}
			if t.update && !t.server {
				return wrong("usage.update-server")
			}
			a.at = t.dir
			if !t.server {
				return t.inMemory(cmd.Context())
			}
			return a.with(cmd, t.onServer)
		},
	}
	c.Flags().StringVar(&t.build, "build", "npm run --silent build", "what makes javascript/index.js, for the shell; nothing with an empty text")
	c.Flags().BoolVar(&t.server, "server", false, "install it on the server and run the tests in the folder checks")
	c.Flags().BoolVar(&t.update, "update", false, "with --server: test it as an update of what is installed, and roll that back afterwards")
	c.Flags().DurationVar(&t.limit, "wait", 5*time.Minute, "with --server: how long it may take to be well")
	c.Flags().BoolVarP(&t.accept, "yes", "y", false, "update also when somebody else has signed what is installed")
	t.flags(c)
	return c
}

func (t *tests) inMemory(ctx context.Context) error {
	if err := t.runBuild(ctx, t.dir, t.build); err != nil {
		return err
	}
	return t.node(ctx, nil)
}

// node runs tests, all that Node finds where none are named.
func (t *tests) node(ctx context.Context, env []string, files ...string) error {
	work, err := newScratch("")
	if err != nil {
		return err
	}
	defer work.remove()
	args := []string{"--enable-source-maps", "--test"}
	if t.rows() {
		report := work.path("report.mjs")
		if err := os.WriteFile(report, testReporter, 0o600); err != nil {
			return err
		}
		args = append(args, "--test-reporter="+(&url.URL{Scheme: "file", Path: report}).String(), "--test-reporter-destination=stdout")
	} else {
		args = append(args, "--test-reporter=spec", "--test-reporter-destination=stdout")
	}
	cmd := exec.CommandContext(ctx, "node", append(args, files...)...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = t.dir, append(os.Environ(), env...), time.Second
	endsWhole(cmd)
	cmd.Stderr = t.Err
	if t.rows() {
		err = t.reported(cmd)
	} else {
		cmd.Stdout = t.Out
		err = cmd.Run()
	}
	var failed *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return fault.New(metav1.Reason_REASON_PROGRAM_MISSING, "cannot run the tests: the program node is not installed")
	case errors.As(err, &failed):
		return worded{"tests.failed", nil}
	}
	return err
}

// reported runs a command that says rows, and prints them.
func (t *tests) reported(cmd *exec.Cmd) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var wrong error
	scan := bufio.NewScanner(out)
	scan.Buffer(nil, maxTestLine)
	for scan.Scan() {
		var row map[string]any
		if json.Unmarshal(scan.Bytes(), &row) == nil {
			wrong = cmp.Or(wrong, t.printRow(row))
		}
	}
	_, _ = io.Copy(io.Discard, out) // a line that is too long
	return cmp.Or(cmd.Wait(), wrong)
}

// tested is what checks are told.
type tested struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	// Command is this program with what names the server.
	Command []string `json:"command"`
	// Addresses are those of the service, first the one that is best reached from here.
	Addresses []testedAddress `json:"addresses"`
}

type testedAddress struct {
	Interface string `json:"interface"`
	URL       string `json:"url"`
	Kind      string `json:"kind"`
	SSL       bool   `json:"ssl"`
}

// onServer installs the package, checks it and takes back what it did, whatever ends it.
func (t *tests) onServer(ctx context.Context, c *hearth.Client) (err error) {
	work, err := newScratch("")
	if err != nil {
		return err
	}
	defer work.remove()
	file := work.path("package.s9pk")
	t.archs, err = t.serversArchitecture(ctx, c)
	if err != nil {
		return err
	}
	if err := t.runBuild(ctx, t.dir, t.build); err != nil {
		return err
	}
	flags, silent := t.packing, *t.app
	flags.out, silent.quiet = file, true
	p, _, err := silent.packed(ctx, t.dir, flags)
	if err != nil {
		return err
	}
	id := string(p.manifest.ID)
	ticket, err := t.planned(ctx, c, file)
	if err != nil {
		return err
	}
	defer t.busy()()
	// Who would not hear the answer would not know what to take back.
	heard, cancel := context.WithTimeout(context.WithoutCancel(ctx), beginning)
	resp, err := c.Packages.InstallPackage(heard, &packagesv1.InstallPackageRequest{Ticket: ticket, Start: true, AcceptSigner: t.accept, AcceptBreakage: true})
	cancel()
	if err != nil {
		c.DropUpload(context.WithoutCancel(ctx), ticket)
		return err
	}
	op := resp.GetOperation()
	defer func() { err = errors.Join(err, t.takeBack(context.WithoutCancel(ctx), c, id, op)) }()
	if _, err := t.follow(ctx, c, op.GetMeta().GetId(), t.newProgress()); err != nil {
		return err
	}
	if err := t.event("installed", map[string]any{"id": id}, t.say("tests.installed", map[string]any{"ID": id})); err != nil {
		return err
	}
	if err := t.well(ctx, c, id); err != nil {
		return err
	}
	return t.check(ctx, c, work, &tested{ID: id, Version: p.manifest.Version.String()})
}

// planned sends the file and looks at what would become of it. Nothing of a person's is touched unless they said so.
func (t *tests) planned(ctx context.Context, c *hearth.Client, file string) (ticket string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if ticket, err = c.Upload(ctx, f, info.Size(), nil); err != nil {
		return "", err
	}
	resp, err := c.Packages.InstallPackage(ctx, &packagesv1.InstallPackageRequest{Ticket: ticket, ValidateOnly: true, AcceptSigner: t.accept, AcceptBreakage: true})
	plan := resp.GetPlan()
	switch {
	case err != nil:
	case plan.GetFromVersion() != "" && !t.update:
		err = fault.New(metav1.Reason_REASON_PACKAGE_INSTALLED, "package %q is installed: its tests would take its data; --update tests it as an update, which is rolled back", plan.GetPackageId()).
			With("package", plan.GetPackageId())
	case plan.GetFromVersion() != "":
		var got *packagesv1.GetPackageResponse
		got, err = c.Packages.GetPackage(ctx, &packagesv1.GetPackageRequest{Id: plan.GetPackageId()})
		t.before = got.GetPackage().GetSpec().GetArtifact()
		err = cmp.Or(err, obstacle(plan))
	default:
		err = cmp.Or(unkept(ctx, c, plan.GetPackageId()), obstacle(plan))
	}
	if err != nil {
		c.DropUpload(context.WithoutCancel(ctx), ticket)
	}
	return ticket, err
}

// unkept is the fault where data of a package were kept, which taking the package back would remove.
func unkept(ctx context.Context, c *hearth.Client, id string) error {
	data, err := keptData(ctx, c)
	if slices.ContainsFunc(data, func(d *packagesv1.PackageData) bool { return d.GetId() == id }) {
		return fault.New(metav1.Reason_REASON_PACKAGE_INSTALLED, "data of package %q were kept when it was uninstalled: its tests would take them", id).With("package", id)
	}
	return err
}

// check runs the tests of the folder checks.
func (t *tests) check(ctx context.Context, c *hearth.Client, work *scratch, about *tested) error {
	var files []string
	for _, pattern := range []string{"*.mjs", "*.js", "*.cjs", "*.ts", "*.mts"} {
		found, err := filepath.Glob(filepath.Join(t.dir, checksFolder, pattern))
		if err != nil {
			return err
		}
		for _, f := range found {
			files = append(files, filepath.Join(checksFolder, filepath.Base(f)))
		}
	}
	if len(files) == 0 {
		return t.event("unchecked", map[string]any{"folder": checksFolder}, t.say("tests.unchecked", map[string]any{"Folder": checksFolder}))
	}
	slices.Sort(files)
	var err error
	if about.Command, err = t.again(); err != nil {
		return err
	}
	if about.Addresses, err = t.addresses(ctx, c, about.ID); err != nil {
		return err
	}
	root, err := c.Certificates.GetRoot(ctx, &certificatesv1.GetRootRequest{})
	if err != nil {
		return err
	}
	trusted := work.path("ca.crt")
	roots := []byte(root.GetPem())
	if more, err := os.ReadFile(os.Getenv(rootsVariable)); err == nil {
		roots = slices.Concat(roots, []byte("\n"), more)
	}
	if err := os.WriteFile(trusted, roots, 0o600); err != nil {
		return err
	}
	text, err := json.Marshal(about)
	if err != nil {
		return err
	}
	env := []string{testedVariable + "=" + string(text), rootsVariable + "=" + trusted}
	if t.token != "" {
		env = append(env, "HEARTH_TOKEN="+t.token)
	}
	return t.node(ctx, env, files...)
}

// again is how this program is called to speak with the same server from the folder of the project. What opens the server is not in it.
func (t *tests) again() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	out := []string{self}
	for flag, value := range map[string]string{"--host": t.host, "--profile": t.profile} {
		if value != "" {
			out = append(out, flag+"="+value)
		}
	}
	for flag, path := range map[string]string{"--ca": t.ca, "--sign-with": t.signWith} {
		if path == "" {
			continue
		}
		if path, err = filepath.Abs(path); err != nil {
			return nil, err
		}
		out = append(out, flag+"="+path)
	}
	slices.Sort(out[1:])
	return out, nil
}

// addresses are those of a service, first those by which it is reached from here.
func (t *tests) addresses(ctx context.Context, c *hearth.Client, id string) ([]testedAddress, error) {
	to, err := t.connection()
	if err != nil {
		return nil, err
	}
	resp, err := c.Hosts.ListHosts(ctx, &hostsv1.ListHostsRequest{PackageId: id})
	if err != nil {
		return nil, err
	}
	var list []*hostsv1.Address
	for _, h := range resp.GetHosts() {
		for _, addr := range h.GetStatus().GetAddresses() {
			if addr.GetUnserved() == "" && addr.GetKind() != hostsv1.Address_KIND_BRIDGE {
				list = append(list, addr)
			}
		}
	}
	here := strings.HasPrefix(to.host, "unix:")
	same := ""
	if u, err := url.Parse(to.host); err == nil {
		same = u.Hostname()
	}
	rank := func(a *hostsv1.Address) int {
		local := a.GetKind() == hostsv1.Address_KIND_LOCALHOST
		switch {
		case local == here && (local || a.GetHostname() == same):
			return 0
		case local:
			return 2
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b *hostsv1.Address) int { return cmp.Compare(rank(a), rank(b)) })
	out := []testedAddress{}
	for _, a := range list {
		out = append(out, testedAddress{Interface: a.GetInterfaceId(), URL: a.GetUrl(), Kind: word(a.GetKind()), SSL: a.GetSsl()})
	}
	return out, nil
}

// busy has the process wait for the command until what it returns is called.
func (a *app) busy() func() {
	if a.Busy == nil {
		return func() {}
	}
	a.Busy.Store(true)
	return func() { a.Busy.Store(false) }
}
