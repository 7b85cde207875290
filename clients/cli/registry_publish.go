package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/spf13/cobra"
)

// publisher is a registry that the command line speaks to itself.
type publisher struct {
	*app
	url, key string
}

// flags adds what says which registry it is, and by whose key requests are signed.
func (p *publisher) flags(c *cobra.Command) {
	c.PersistentFlags().StringVar(&p.url, "registry", os.Getenv("HEARTH_REGISTRY"), "address of the registry, or its name in hearth.yaml; $HEARTH_REGISTRY, else that of hearth.yaml")
	keyFlag(c.PersistentFlags(), &p.key, "file of the key; $HEARTH_KEY, else that of hearth.yaml")
}

// open makes the client; with signs its calls are signed.
func (p *publisher) open(signs bool) (*registry.Client, *sign.PrivateKey, error) {
	url, err := p.registryAddress(p.url)
	if err != nil {
		return nil, nil, err
	}
	if url == "" {
		return nil, nil, wrong("usage.registry-url")
	}
	var key *sign.PrivateKey
	if signs {
		k, err := p.loadKey(p.key)
		if err != nil {
			return nil, nil, err
		}
		key = &k
	}
	c, err := registry.NewClient(url, registry.Options{Key: key})
	return c, key, err
}

// call makes a signed call.
func (p *publisher) call(ctx context.Context, method string, params, result any) error {
	c, _, err := p.open(true)
	if err != nil {
		return err
	}
	return c.Call(ctx, method, params, result)
}

func (a *app) registryPackageCommand() *cobra.Command {
	p := &publisher{app: a}
	c := &cobra.Command{Use: "package", Short: "Publish packages, take them out, fetch them", Example: "  hearth registry package add hello.s9pk --registry https://registry.example.org"}
	p.flags(c)
	c.AddCommand(a.registryPackageListCommand(p), a.publishCommand("add", p), a.registryPackageRemoveCommand(p), a.registryMirrorCommand(p), a.registryDownloadCommand(p), a.registryPromoteCommand(p))
	return c
}

// publishCommand lists a file in a registry; it is there by two names.
func (a *app) publishCommand(name string, p *publisher) *cobra.Command {
	var links []string
	c := &cobra.Command{
		Use: name + " FILE", Short: "Publish a package file", Args: cobra.ExactArgs(1),
		Long: `Sign what identifies a package file and have a registry list it. The file is verified
here before, and every byte of it by the registry.

The file is sent to a registry that keeps files itself. With --link it stays where it
lies, and the registry lists its address; registries of StartOS know no other way.`,
		Example: fmt.Sprintf("  hearth %[1]s hello.s9pk --registry https://registry.example.org\n  hearth %[1]s hello.s9pk --link https://files.example.org/hello.s9pk", map[string]string{"add": "registry package add", "publish": "s9pk publish"}[name]),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.publish(cmd.Context(), p, args[0], links)
		},
	}
	c.Flags().StringArrayVar(&links, "link", nil, "address where the file lies; may be given several times")
	return c
}

func (a *app) publish(ctx context.Context, p *publisher, path string, links []string) error {
	c, key, err := p.open(true)
	if err != nil {
		return err
	}
	raw, size, err := a.openPackage(ctx, path)
	if err != nil {
		return err
	}
	defer raw.Close()
	f, err := s9pk.Open(raw, size, s9pk.Options{})
	if err != nil {
		return err
	}
	if err := a.verifyAll(ctx, func(ctx context.Context, progress func(done, total int64)) error { return f.VerifyAll(ctx, progress) }); err != nil {
		return err
	}
	signature, err := key.Sign(sign.ContextPackage, f.Commitment().Message())
	if err != nil {
		return err
	}
	if len(links) > 0 {
		err = c.Call(ctx, "package.add", registry.AddParams{URLs: links, Commitment: f.Commitment(), Signature: signature.PEM()}, nil)
	} else {
		show := a.newRate(a.say("progress.sending", nil))
		err = c.AddUpload(ctx, raw, size, nil, f.Commitment(), signature, show.set)
		show.end()
		if errors.Is(err, registry.ErrKeepsNothing) {
			return wrong("usage.registry-link")
		}
	}
	if err != nil {
		return err
	}
	id, version := string(f.Manifest().ID), f.Manifest().Version.String()
	if a.rows() {
		return a.printRow(map[string]any{"id": id, "version": version, "registry": c.Base()})
	}
	fmt.Fprintln(a.Out, a.say("registry.published", map[string]any{"ID": id, "Version": version, "Registry": c.Base()}))
	return nil
}

func (a *app) registryPackageRemoveCommand(p *publisher) *cobra.Command {
	return &cobra.Command{
		Use: "remove ID[@VERSION]", Short: "Take a package, or one version of it, out of the registry", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		Example: "  hearth registry package remove hello@1.0.0:0",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, version, one := strings.Cut(args[0], "@")
			params := map[string]any{"id": id}
			if one {
				params["version"] = version
			}
			var changed bool
			if err := p.call(cmd.Context(), "package.remove", params, &changed); err != nil {
				return err
			}
			if !changed {
				return absent{worded{"registry.nothing-removed", map[string]any{"ID": args[0]}}}
			}
			return nil
		},
	}
}

// listed asks a registry for one version of a package, the newest where none is named.
func listed(ctx context.Context, c *registry.Client, arg string) (string, registry.Candidate, error) {
	id, version, one := strings.Cut(arg, "@")
	params := registry.GetParams{ID: &id}
	if one {
		r, err := exver.ParseRange(version)
		if v, verr := exver.Parse(version); verr == nil {
			r, err = exver.Exactly(v), nil
		}
		if err != nil {
			return id, registry.Candidate{}, err
		}
		params.TargetVersion = &r
	}
	l, err := c.Get(ctx, params)
	if err != nil {
		return id, registry.Candidate{}, err
	}
	best, _ := registry.Choose(registry.Candidates(l.Best), registry.Question{Target: params.TargetVersion})
	if len(best) == 0 {
		return id, registry.Candidate{}, fault.New(metav1.Reason_REASON_OFFER_NOT_FOUND, "the registry has no %.80s that will do", arg)
	}
	return id, best[len(best)-1], nil // the one without a flavor, where there is one
}

// signListed signs a file that a registry lists, whose own signatures must be right.
func signListed(key sign.PrivateKey, asset registry.Asset) (sign.Signature, error) {
	if _, err := asset.Verify(); err != nil {
		return sign.Signature{}, unable("failed.registry-trust", err)
	}
	return key.Sign(sign.ContextPackage, asset.Commitment.Message())
}

// fetchListed writes a listed file to out, whole and verified.
func (a *app) fetchListed(ctx context.Context, asset registry.Asset, out string) error {
	if _, err := asset.Verify(); err != nil {
		return unable("failed.registry-trust", err)
	}
	if len(asset.URLs) == 0 {
		return unable("failed.registry-nowhere", nil)
	}
	var failed error
	for _, url := range asset.URLs {
		err := a.fetchFrom(ctx, url, asset.Commitment, out)
		if err == nil || ctx.Err() != nil {
			return err
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// fetchFrom fetches a file and gives out what was verified: who runs the place may answer the same question twice otherwise.
func (a *app) fetchFrom(ctx context.Context, url string, c s9pk.Commitment, out string) error {
	place := ""
	if out != "-" {
		place = filepath.Dir(out)
	}
	s, err := newScratch(place)
	if err != nil {
		return err
	}
	defer s.remove()
	f, err := os.OpenFile(s.path("fetched"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	show := a.newRate(a.say("progress.fetching", nil))
	size, err := fetchVerified(ctx, url, c, f, show.set)
	show.end()
	if err != nil {
		return err
	}
	return a.write(out, "writing", size, func(w io.Writer) error {
		_, err := io.Copy(w, io.NewSectionReader(f, 0, size))
		return err
	})
}

func (a *app) registryDownloadCommand(p *publisher) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "download ID[@VERSION]", Short: "Fetch a package file and verify it", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		Example: "  hearth registry package download hello --out hello.s9pk",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, err := p.open(false)
			if err != nil {
				return err
			}
			id, v, err := listed(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			if len(v.Version.Files) == 0 {
				return unable("failed.registry-no-file", nil)
			}
			path := cmp.Or(out, id+".s9pk")
			if err := a.fetchListed(cmd.Context(), v.Version.Files[0].Asset, path); err != nil {
				return err
			}
			if a.rows() {
				return a.printRow(map[string]any{"id": id, "version": v.Exver.String(), "file": path})
			}
			fmt.Fprintln(a.Err, a.say("registry.downloaded", map[string]any{"ID": id, "Version": v.Exver.String(), "File": path}))
			return nil
		},
	}
	c.Flags().StringVar(&out, "out", "", "file to write; ID.s9pk when not given, - for standard output")
	return c
}

func (a *app) registryPromoteCommand(p *publisher) *cobra.Command {
	var to string
	c := &cobra.Command{
		Use: "promote ID[@VERSION]", Short: "List what one registry has in another, signed by you", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		Example: "  hearth registry package promote hello@1.1.0:0 --registry https://test.example.org --to https://registry.example.org",
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return wrong("usage.registry-to")
			}
			from, key, err := p.open(true)
			if err != nil {
				return err
			}
			if to, err = a.registryAddress(to); err != nil {
				return err
			}
			target, err := registry.NewClient(to, registry.Options{Key: key})
			if err != nil {
				return err
			}
			id, v, err := listed(cmd.Context(), from, args[0])
			if err != nil {
				return err
			}
			for _, file := range v.Whole().Files {
				signature, err := signListed(*key, file.Asset)
				if err != nil {
					return err
				}
				if err := target.Call(cmd.Context(), "package.add", registry.AddParams{URLs: file.Asset.URLs, Commitment: file.Asset.Commitment, Signature: signature.PEM()}, nil); err != nil {
					return err
				}
			}
			fmt.Fprintln(a.Err, a.say("registry.published", map[string]any{"ID": id, "Version": v.Exver.String(), "Registry": target.Base()}))
			return nil
		},
	}
	c.Flags().StringVar(&to, "to", "", "address of the other registry, or its name in hearth.yaml")
	return c
}

// printSigners prints signers by id.
func (a *app) printSigners(all map[string]registry.Signer) error {
	var table [][]string
	for _, id := range slices.Sorted(maps.Keys(all)) {
		s := all[id]
		if a.rows() {
			if err := a.printRow(map[string]any{"id": id, "name": s.Name, "contact": s.Contact, "keys": s.Keys}); err != nil {
				return err
			}
			continue
		}
		var contacts []string
		for _, c := range s.Contact {
			contacts = append(contacts, cmp.Or(c.Email, c.Matrix, c.Website))
		}
		table = append(table, []string{id, s.Name, strings.Join(contacts, ", ")})
	}
	if a.rows() {
		return nil
	}
	return a.table([]string{"id", "name", "address"}, table)
}

// simple is a command that makes one signed call and says nothing.
func (p *publisher) simple(use, short, example, method string, params func(args []string) map[string]any) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.ExactArgs(strings.Count(use, " ")), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error { return p.call(cmd.Context(), method, params(args), nil) },
	}
}

func (a *app) registrySignerCommand() *cobra.Command {
	p := &publisher{app: a}
	c := &cobra.Command{Use: "signer", Short: "Say whose signatures a registry takes", Example: "  hearth registry signer list --registry https://registry.example.org"}
	p.flags(c)
	list := &cobra.Command{
		Use: "list", Short: "List the signers", Args: cobra.NoArgs, Example: "  hearth registry signer list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all map[string]registry.Signer
			if err := p.call(cmd.Context(), "admin.signer.list", struct{}{}, &all); err != nil {
				return err
			}
			return a.printSigners(all)
		},
	}
	var email string
	add := &cobra.Command{
		Use: "add NAME KEYFILE", Short: "Add a signer by the file of his public key", Args: cobra.ExactArgs(2), Example: "  hearth registry signer add bob bob.pub.pem --email bob@example.org",
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := sign.LoadPublicKey(args[1])
			if err != nil {
				return err
			}
			signer := registry.Signer{Name: args[0], Contact: []registry.Contact{}, Keys: []string{key.PEM()}}
			if email != "" {
				signer.Contact = append(signer.Contact, registry.Contact{Email: email})
			}
			var id string
			if err := p.call(cmd.Context(), "admin.signer.add", signer, &id); err != nil {
				return err
			}
			if a.rows() {
				return a.printRow(map[string]any{"id": id, "name": args[0]})
			}
			fmt.Fprintln(a.Out, id)
			return nil
		},
	}
	add.Flags().StringVar(&email, "email", "", "where he can be reached")
	var versions string
	allow := &cobra.Command{
		Use: "allow SIGNER PACKAGE", Short: "Let a signer publish a package", Args: cobra.ExactArgs(2), ValidArgsFunction: cobra.NoFileCompletions, Example: "  hearth registry signer allow SIGNER hello --versions '^1.0.0:0'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.call(cmd.Context(), "package.signer.add", map[string]any{"signer": args[0], "id": args[1], "versions": cmp.Or(versions, "*"), "merge": false}, nil)
		},
	}
	allow.Flags().StringVar(&versions, "versions", "", "range of versions; all when not given")
	c.AddCommand(list, add, allow,
		p.simple("remove SIGNER", "Remove a signer", "  hearth registry signer remove SIGNER", "admin.signer.remove", func(args []string) map[string]any { return map[string]any{"id": args[0]} }),
		p.simple("forbid SIGNER PACKAGE", "End that a signer may publish a package", "  hearth registry signer forbid SIGNER hello", "package.signer.remove", func(args []string) map[string]any {
			return map[string]any{"signer": args[0], "id": args[1]}
		}))
	return c
}

func (a *app) registryAdminCommand() *cobra.Command {
	p := &publisher{app: a}
	c := &cobra.Command{Use: "admin", Short: "Say who administers a registry", Example: "  hearth registry admin list --registry https://registry.example.org"}
	p.flags(c)
	list := &cobra.Command{
		Use: "list", Short: "List the administrators", Args: cobra.NoArgs, Example: "  hearth registry admin list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all map[string]registry.Signer
			if err := p.call(cmd.Context(), "admin.list", struct{}{}, &all); err != nil {
				return err
			}
			return a.printSigners(all)
		},
	}
	signer := func(args []string) map[string]any { return map[string]any{"signer": args[0]} }
	c.AddCommand(list,
		p.simple("add SIGNER", "Make a signer an administrator", "  hearth registry admin add SIGNER", "admin.add", signer),
		p.simple("remove SIGNER", "End that a signer is an administrator", "  hearth registry admin remove SIGNER", "admin.remove", signer))
	return c
}

func (a *app) registryCategoryCommand() *cobra.Command {
	p := &publisher{app: a}
	c := &cobra.Command{Use: "category", Short: "Sort the packages of a registry", Example: "  hearth registry category list --registry https://registry.example.org"}
	p.flags(c)
	list := &cobra.Command{
		Use: "list", Short: "List the categories", Args: cobra.NoArgs, Example: "  hearth registry category list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := p.open(false)
			if err != nil {
				return err
			}
			var all map[string]registry.Category
			if err := client.Call(cmd.Context(), "package.category.list", struct{}{}, &all); err != nil {
				return err
			}
			var table [][]string
			for _, id := range slices.Sorted(maps.Keys(all)) {
				name := all[id].Name.In(a.locale())
				if a.rows() {
					if err := a.printRow(map[string]any{"id": id, "name": name}); err != nil {
						return err
					}
				}
				table = append(table, []string{id, name})
			}
			if a.rows() {
				return nil
			}
			return a.table([]string{"id", "name"}, table)
		},
	}
	both := func(args []string) map[string]any { return map[string]any{"id": args[0], "package": args[1]} }
	c.AddCommand(list,
		p.simple("add CATEGORY NAME", "Add a category, or give it another name", "  hearth registry category add media Media", "package.category.add", func(args []string) map[string]any {
			return map[string]any{"id": args[0], "name": args[1]}
		}),
		p.simple("remove CATEGORY", "Remove a category", "  hearth registry category remove media", "package.category.remove", func(args []string) map[string]any { return map[string]any{"id": args[0]} }),
		p.simple("put CATEGORY PACKAGE", "Put a package into a category", "  hearth registry category put media hello", "package.category.add-package", both),
		p.simple("take CATEGORY PACKAGE", "Take a package out of a category", "  hearth registry category take media hello", "package.category.remove-package", both))
	return c
}

// s9pkPublishCommand is 'registry package add' where packagers look for it.
func (a *app) s9pkPublishCommand() *cobra.Command {
	p := &publisher{app: a}
	c := a.publishCommand("publish", p)
	p.flags(c)
	return c
}
