package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/registry/export"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/fetch"
	"github.com/spf13/cobra"
)

// exporting is what a person says about an export.
type exporting struct {
	from     publisher
	keys     []string
	packages []string
	newest   bool
	valid    time.Duration
	renew    []string
	signers  []string
}

func (a *app) registryExportCommand() *cobra.Command {
	e := exporting{from: publisher{app: a}}
	c := &cobra.Command{
		Use: "export DIR", Short: "Make a signed export of a registry: files for any web server or stick", Args: cobra.ExactArgs(1),
		Long: `Make a signed export of a registry in a folder, or make the one in it anew. Any web server,
CDN or stick can carry it: servers add it as a registry by the fingerprint of its root,
which is printed, and refuse what is older than they have seen, expired, mixed or changed.

The keys that sign it are made in the folder of --keys and are not in DIR. Who has lost
them makes an export with another fingerprint. The key root-….key.pem is needed once a
few years and when a key is replaced, and may be kept elsewhere until then.

With --signers a role has several keys, of which some have to sign. They are made in the
folders of --keys in turn, so that they can be kept apart: of three folders one may be
lost, or fall into wrong hands.

Make it anew before it expires, and copy timestamp.json last.`,
		Example: "  hearth registry export /srv/www/packages --registry https://registry.example.org\n  hearth registry export /media/stick/packages --package immich --newest --valid 8760h\n  hearth registry export /srv/www/packages --renew timestamp\n  hearth registry export /srv/www/packages --signers root=2/3 --keys ~/export --keys /media/a --keys /media/b",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.export(cmd.Context(), e, args[0]) },
	}
	f := c.Flags()
	f.StringVar(&e.from.url, "registry", os.Getenv("HEARTH_REGISTRY"), "address of the registry, or its name in hearth.yaml; $HEARTH_REGISTRY, else that of hearth.yaml")
	f.StringArrayVar(&e.keys, "keys", defaultExportKeys(), "folder of the keys that sign exports; may be given several times; $HEARTH_EXPORT_KEYS, with colons between")
	f.StringArrayVar(&e.packages, "package", nil, "only the package of this id; may be given several times")
	f.BoolVar(&e.newest, "newest", false, "only the newest version of each flavor")
	f.DurationVar(&e.valid, "valid", 30*24*time.Hour, "how long it may be believed without a newer one")
	f.StringArrayVar(&e.renew, "renew", nil, "replace the key of a role by a new one: "+strings.Join(export.Roles(), ", "))
	f.StringArrayVar(&e.signers, "signers", nil, "how many keys of a role have to sign, of how many, as in root=2/3; others than there are take their place")
	_ = c.RegisterFlagCompletionFunc("renew", cobra.FixedCompletions(export.Roles(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// defaultExportKeys is where the keys of exports are; nowhere when that is not known, since there is no home.
func defaultExportKeys() []string {
	if path := os.Getenv("HEARTH_EXPORT_KEYS"); path != "" {
		return filepath.SplitList(path)
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil
	}
	return []string{filepath.Join(dir, "hearth", "export")}
}

// exportSigners reads what --signers says.
func exportSigners(list []string) (map[string]export.Signers, error) {
	all := map[string]export.Signers{}
	for _, text := range list {
		role, counts, _ := strings.Cut(text, "=")
		need, of, _ := strings.Cut(counts, "/")
		var s export.Signers
		var err, ofErr error
		s.Need, err = strconv.Atoi(need)
		s.Keys, ofErr = strconv.Atoi(of)
		if err != nil || ofErr != nil || s.Check() != nil {
			return nil, wrong("usage.export-signers", "Value", text, "Most", export.MaxSigners)
		}
		if !slices.Contains(export.Roles(), role) {
			return nil, wrong("usage.export-role", "Role", role, "Roles", strings.Join(export.Roles(), ", "))
		}
		all[role] = s
	}
	return all, nil
}

func (a *app) export(ctx context.Context, e exporting, dir string) error {
	if len(e.keys) == 0 || slices.Contains(e.keys, "") {
		return wrong("usage.export-keys")
	}
	signers, err := exportSigners(e.signers)
	if err != nil {
		return err
	}
	for _, role := range e.renew {
		if !slices.Contains(export.Roles(), role) {
			return wrong("usage.export-role", "Role", role, "Roles", strings.Join(export.Roles(), ", "))
		}
	}
	if e.valid <= 0 {
		return wrong("usage.export-valid")
	}
	src, err := e.source(ctx)
	if err != nil {
		return err
	}
	for _, keys := range e.keys {
		if err := os.MkdirAll(keys, 0o700); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(e.keys[0], "lock")) // of two exports at once each would be what the other has not seen
	if err != nil {
		return err
	}
	defer unlock()
	folder, err := newExportFolder(dir)
	if err != nil {
		return err
	}
	defer folder.scratch.remove()
	show := a.newRate(a.say("progress.fetching", nil))
	defer show.end()
	result, err := export.Write(ctx, src, export.Options{
		Folder: folder, Keys: export.Keys{Dirs: e.keys}, Now: time.Now(), Valid: e.valid, Renew: e.renew, Signers: signers,
		Fetch: func(ctx context.Context, url string, c s9pk.Commitment, to export.File) (int64, error) {
			return fetchVerified(ctx, url, c, to, show.set)
		},
	})
	if err != nil {
		return err
	}
	show.end()
	return a.printExport(dir, result)
}

func (a *app) printExport(dir string, r export.Result) error {
	return a.print(map[string]any{
		"file": dir, "fingerprint": r.Fingerprint, "version": r.Version, "packages": r.Packages, "files": r.Files, "fetched": r.Fetched, "bytes": r.Bytes, "expires": r.Expires,
	}, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, a.say("registry.exported", map[string]any{
			"Packages": r.Packages, "Files": r.Files, "Size": sizeText(r.Bytes), "Fetched": r.Fetched, "Dir": dir, "Expires": r.Expires.Local().Format(time.DateTime), "Fingerprint": r.Fingerprint,
		}))
		return err
	})
}

// source asks the registry for what is to be exported.
func (e exporting) source(ctx context.Context) (export.Source, error) {
	c, _, err := e.from.open(false)
	if err != nil {
		return export.Source{}, err
	}
	info, err := c.Info(ctx)
	if err != nil {
		return export.Source{}, err
	}
	index, err := c.Packages(ctx)
	if err != nil {
		return export.Source{}, err
	}
	src := export.Source{Info: info, Packages: index.Packages}
	if len(e.packages) > 0 {
		src.Packages = map[string]registry.Package{}
		for _, id := range e.packages {
			p, ok := index.Packages[id]
			if !ok {
				return src, wrong("usage.export-package", "ID", id)
			}
			src.Packages[id] = p
		}
	}
	if e.newest {
		for id, p := range src.Packages {
			best, _ := registry.Choose(registry.Candidates(p.Versions), registry.Question{})
			p.Versions = map[string]*registry.Version{}
			for _, c := range best {
				p.Versions[c.Exver.String()] = c.Version
			}
			src.Packages[id] = p
		}
	}
	return src, nil
}

// fetchVerified writes the file of a commitment that lies at a URL, and verifies what was written.
func fetchVerified(ctx context.Context, url string, c s9pk.Commitment, to export.File, progress func(done, total int64)) (int64, error) {
	remote, err := fetch.Open(ctx, url, fetch.Options{})
	if err != nil {
		return 0, err
	}
	defer remote.Close()
	if _, err := s9pk.Open(remote, remote.Size(), s9pk.Options{Commitment: &c}); err != nil {
		return 0, err // before all of it is fetched
	}
	total := int64(0)
	if remote.Known() {
		total = remote.Size()
	}
	n, err := io.Copy(&counted{w: to, progress: func(n int64) { progress(n, max(n, total)) }}, io.NewSectionReader(remote, 0, remote.Size()))
	if err != nil {
		return n, err
	}
	f, err := s9pk.Open(to, n, s9pk.Options{Commitment: &c})
	if err != nil {
		return n, err
	}
	if err := f.CheckExtent(n); err != nil {
		return n, err
	}
	return n, f.VerifyAll(ctx, nil)
}

// exportFolder is the folder of an export, whose files everybody may read.
type exportFolder struct {
	dir     string
	scratch *scratch
	written int
}

func newExportFolder(dir string) (*exportFolder, error) {
	s, err := newScratch(dir)
	return &exportFolder{dir: dir, scratch: s}, err
}

func (f *exportFolder) path(name string) string {
	return filepath.Join(f.dir, filepath.FromSlash(name))
}

// Read implements export.Folder.
func (f *exportFolder) Read(name string, limit int64) ([]byte, error) {
	in, err := os.Open(f.path(name))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	raw, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = unable("failed.too-large", nil, "Name", f.path(name), "Count", limit)
	}
	return raw, err
}

// Has implements export.Folder.
func (f *exportFolder) Has(name string, size int64) bool {
	info, err := os.Lstat(f.path(name))
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// Put implements export.Folder.
func (f *exportFolder) Put(write func(to export.File) (string, error)) error {
	f.written++
	out, err := os.OpenFile(f.scratch.path(fmt.Sprint(f.written)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	name, err := write(out)
	if err = errors.Join(err, out.Chmod(0o644), out.Sync(), out.Close()); err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	path := f.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Rename(out.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir has the disk know the names in a folder.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// List implements export.Folder.
func (f *exportFolder) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(f.path(dir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// Remove implements export.Folder.
func (f *exportFolder) Remove(name string) error { return os.Remove(f.path(name)) }
