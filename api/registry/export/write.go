package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

const (
	// rootValid is how long a root is good for; one with less than renewBefore left is made anew.
	rootValid   = 5 * 365 * 24 * time.Hour
	renewBefore = 365 * 24 * time.Hour
)

// File is a file that is being written.
type File interface {
	io.Writer
	io.ReaderAt
}

// Folder is where an export is written.
type Folder interface {
	// Read reads a whole file, which may have limit bytes; fs.ErrNotExist where there is none.
	Read(name string, limit int64) ([]byte, error)
	// Has tells whether there is a file of this size.
	Has(name string, size int64) bool
	// Put writes a file whole or not at all, under the name that write answers.
	Put(write func(f File) (name string, err error)) error
	// List lists the files of a folder in it; nothing where there is no such folder.
	List(dir string) ([]string, error)
	// Remove removes a file.
	Remove(name string) error
}

// Source is what is exported: everything that it has.
type Source struct {
	Info     registry.Info
	Packages map[string]registry.Package
}

// Options say how.
type Options struct {
	Folder Folder
	Keys   Keys
	Now    time.Time
	// Valid is how long others may believe the export without seeing a newer one.
	Valid time.Duration
	// Renew are roles whose keys are replaced by new ones.
	Renew []string
	// Signers are how many keys roles have; others keep to what there is, which in the beginning is one key. Where that is another
	// number than there was, the keys of the role are replaced.
	Signers map[string]Signers
	// Fetch writes the file of a commitment that lies at a URL, whole and verified, and answers its size.
	Fetch func(ctx context.Context, url string, c s9pk.Commitment, to File) (int64, error)
}

// Result is what was exported.
type Result struct {
	Fingerprint              string // of the root
	Version                  int64
	Packages, Files, Fetched int   // Files are those of packages
	Bytes                    int64 // of them
	Expires                  time.Time
}

// Write makes an export, or makes the one in the folder anew: its versions rise, and what it has already is not fetched
// again. Readers see the one before until the last file, timestamp.json, is written; a crash leaves that one. What neither
// this nor the one before needs is removed in the end.
func Write(ctx context.Context, src Source, o Options) (Result, error) {
	for _, role := range o.Renew {
		if !slices.Contains(Roles(), role) {
			return Result{}, fmt.Errorf("cannot replace the key of %q: it is none of %q", role, Roles())
		}
	}
	for role, signers := range o.Signers {
		if !slices.Contains(Roles(), role) {
			return Result{}, fmt.Errorf("cannot have several keys sign as %q: it is none of %q", role, Roles())
		}
		if err := signers.Check(); err != nil {
			return Result{}, fmt.Errorf("%s: %w", role, err)
		}
	}
	if len(o.Keys.Dirs) == 0 {
		return Result{}, errors.New("cannot sign without a folder of keys")
	}
	w := &writer{Options: o, targets: metadata.Targets(o.Now.Add(o.Valid).UTC().Truncate(time.Second))}
	if err := w.begin(); err != nil {
		return Result{}, err
	}
	if err := w.files(ctx, src); err != nil {
		return Result{}, err
	}
	if err := w.documents(src); err != nil {
		return Result{}, err
	}
	if err := w.seal(); err != nil {
		return Result{}, err
	}
	w.result.Version, w.result.Expires, w.result.Packages = w.version, w.targets.Signed.Expires, len(src.Packages)
	return w.result, w.sweep()
}

type writer struct {
	Options
	root    *metadata.Metadata[metadata.RootType]
	rootRaw []byte
	fresh   bool             // the root has to be written
	keys    map[string][]key // of the roles that sign
	version int64
	before  map[string]*metadata.TargetFiles // of the export that is in the folder
	old     int64                            // its version
	targets *metadata.Metadata[metadata.TargetsType]
	result  Result
}

// begin reads what is in the folder and finds the keys.
func (w *writer) begin() error {
	for version := int64(1); ; version++ {
		raw, err := w.Folder.Read(rootName(version), maxRoot)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err == nil {
			err = checkRoot(raw)
		}
		if err != nil {
			return fmt.Errorf("cannot go on from %s in the folder: %w", rootName(version), err)
		}
		if w.root, err = metadata.Root().FromBytes(raw); err != nil {
			return err
		}
		w.rootRaw = raw
	}
	w.readBefore()
	names, err := w.Folder.List("")
	if err != nil {
		return err
	}
	w.version = w.Now.Unix() // so versions rise, too, where an old copy of the folder was brought back
	for _, name := range names {
		if m := metaPattern.FindStringSubmatch(name); m != nil {
			if n, err := strconv.ParseInt(m[1], 10, 64); err == nil {
				w.version = max(w.version, n+1)
			}
		}
	}
	if w.root == nil {
		return w.firstRoot()
	}
	return w.nextRoot()
}

var metaPattern = regexp.MustCompile(`^([0-9]{1,18})\.(?:snapshot|targets)\.json$`)

// readBefore reads the list of the export that is there. Without it everything is fetched anew.
func (w *writer) readBefore() {
	raw, err := w.Folder.Read(timestampName, maxTimestamp)
	if err != nil || checkMeta(raw, snapshotEntry, maxSnapshot) != nil {
		return
	}
	timestamp, err := metadata.Timestamp().FromBytes(raw)
	if err != nil {
		return
	}
	version := timestamp.Signed.Meta[snapshotEntry].Version // all are written with one
	if raw, err = w.Folder.Read(targetsName(version), maxTargets); err != nil || checkTargets(raw) != nil {
		return
	}
	if list, err := metadata.Targets().FromBytes(raw); err == nil {
		w.before, w.old = list.Signed.Targets, version
	}
}

func (w *writer) firstRoot() error {
	w.root, w.keys, w.fresh = metadata.Root(w.rootExpiry()), map[string][]key{}, true
	for _, role := range Roles() {
		if err := w.newKeys(role); err != nil {
			return err
		}
	}
	return w.signRoot(w.keys[metadata.ROOT])
}

func (w *writer) rootExpiry() time.Time { return w.Now.Add(rootValid).UTC().Truncate(time.Second) }

// newKeys makes the keys of a role in the place of those that it has.
func (w *writer) newKeys(role string) error {
	of := w.root.Signed.Roles[role]
	signers := Signers{Need: of.Threshold, Keys: max(len(of.KeyIDs), 1)}
	if wanted, given := w.Signers[role]; given {
		signers = wanted
	}
	for _, id := range of.KeyIDs {
		delete(w.root.Signed.Keys, id)
	}
	of.KeyIDs, of.Threshold, w.keys[role] = nil, signers.Need, nil
	for number := range signers.Keys {
		made, err := w.Keys.make(role, number)
		if err != nil {
			return err
		}
		w.root.Signed.Keys[made.id] = made.public
		of.KeyIDs, w.keys[role] = append(of.KeyIDs, made.id), append(w.keys[role], made)
	}
	return nil
}

// isRenewed tells whether the keys of a role are to be replaced.
func (w *writer) isRenewed(role string) bool {
	of := w.root.Signed.Roles[role]
	wanted, given := w.Signers[role]
	return slices.Contains(w.Renew, role) || given && wanted != Signers{Need: of.Threshold, Keys: len(of.KeyIDs)}
}

// nextRoot loads the keys that the root names, and makes the root anew where keys are replaced or its time runs out.
func (w *writer) nextRoot() error {
	w.keys = map[string][]key{}
	var renewed []string
	for _, role := range Roles() {
		if w.isRenewed(role) {
			renewed = append(renewed, role)
		}
	}
	w.fresh = len(renewed) > 0 || w.root.Signed.Expires.Before(w.Now.Add(renewBefore))
	for _, role := range Roles() {
		if role == metadata.ROOT && !w.fresh || role != metadata.ROOT && slices.Contains(renewed, role) {
			continue // it need not be at hand
		}
		var err error
		if w.keys[role], err = w.Keys.load(role, w.root.Signed.Roles[role]); err != nil {
			return err
		}
	}
	if !w.fresh {
		return nil
	}
	before := w.keys[metadata.ROOT]
	w.root.Signed.Version++
	w.root.Signed.Expires = w.rootExpiry()
	for _, role := range renewed {
		if err := w.newKeys(role); err != nil {
			return err
		}
	}
	if slices.Contains(renewed, metadata.ROOT) {
		return w.signRoot(slices.Concat(before, w.keys[metadata.ROOT]))
	}
	return w.signRoot(before)
}

func (w *writer) signRoot(signers []key) (err error) {
	w.root.ClearSignatures()
	for _, k := range signers {
		if _, err := w.root.Sign(k); err != nil {
			return err
		}
	}
	w.rootRaw, err = w.root.ToBytes(false)
	return err
}

// files has every package file in the folder.
func (w *writer) files(ctx context.Context, src Source) error {
	for _, id := range slices.Sorted(maps.Keys(src.Packages)) {
		if _, err := ids.ParsePackage(id); err != nil {
			return fmt.Errorf("cannot export the package %q: %w", id, err)
		}
		for _, version := range slices.Sorted(maps.Keys(src.Packages[id].Versions)) {
			for _, f := range src.Packages[id].Versions[version].Files {
				if err := w.file(ctx, f.Asset); err != nil {
					return fmt.Errorf("cannot export %s %s: %w", id, version, err)
				}
			}
		}
	}
	return nil
}

func (w *writer) file(ctx context.Context, asset registry.Asset) error {
	name := fileName(asset.Commitment.Name())
	if w.targets.Signed.Targets[name] != nil {
		return nil
	}
	if _, err := asset.Verify(); err != nil {
		return err
	}
	if have := w.before[name]; have != nil && w.Folder.Has(consistent(name, sumOf(have)), have.Length) {
		w.list(name, have)
		return nil
	}
	failed := errors.New("nobody says where its file lies")
	for i, url := range asset.URLs {
		err := w.put(name, func(f File) error {
			_, err := w.Fetch(ctx, url, asset.Commitment, f)
			return err
		})
		if err == nil {
			w.result.Fetched++
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if failed = errors.Join(failed, err); i == 0 {
			failed = err
		}
	}
	return failed
}

func (w *writer) list(name string, t *metadata.TargetFiles) {
	w.targets.Signed.Targets[name] = &metadata.TargetFiles{Length: t.Length, Hashes: t.Hashes, Path: name}
	if strings.HasPrefix(name, "files/") {
		w.result.Files++
		w.result.Bytes += t.Length
	}
}

// put writes a file and lists it.
func (w *writer) put(name string, write func(f File) error) error {
	return w.Folder.Put(func(f File) (string, error) {
		h := &hashed{File: f, sum: counter{Hash: sha256.New(), n: new(int64)}}
		if err := write(h); err != nil {
			return "", err
		}
		sum := h.sum.Sum(nil)
		w.list(name, &metadata.TargetFiles{Length: *h.sum.n, Hashes: metadata.Hashes{"sha256": sum}})
		return consistent(name, hex.EncodeToString(sum)), nil
	})
}

// hashed is a file that is hashed while it is written.
type hashed struct {
	File
	sum counter
}

func (h *hashed) Write(p []byte) (int, error) {
	n, err := h.File.Write(p)
	_, _ = h.sum.Write(p[:n]) // a hash takes everything
	return n, err
}

// documents writes what the registry is and has.
func (w *writer) documents(src Source) error {
	if err := w.put(infoName, func(f File) error { return json.NewEncoder(f).Encode(src.Info) }); err != nil {
		return err
	}
	for id, p := range src.Packages {
		l := listingOf(p, func(v registry.Version) *registry.Version { return &v })
		if err := w.put(packageName(id), func(f File) error { return json.NewEncoder(f).Encode(l) }); err != nil {
			return err
		}
	}
	return w.put(packagesName, func(f File) error { return writePackages(f, src.Packages) })
}

// writePackages writes the packages one after the other, as a registry answers them.
func writePackages(to io.Writer, packages map[string]registry.Package) error {
	separator := `{"result":{`
	for _, id := range slices.Sorted(maps.Keys(packages)) {
		raw, err := json.Marshal(listingOf(packages[id], plain))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(to, "%s%q:%s\n", separator, id, raw); err != nil { // ids need no escapes
			return err
		}
		separator = ","
	}
	if separator != "," {
		_, err := io.WriteString(to, separator+"}}\n")
		return err
	}
	_, err := io.WriteString(to, "}}\n")
	return err
}

// listingOf has all versions of a package, each as change has it. Where files lie follows from the list of the export.
func listingOf(p registry.Package, change func(registry.Version) *registry.Version) registry.Listing {
	l := registry.Listing{Categories: p.Categories, Best: make(map[string]*registry.Version, len(p.Versions))}
	for name, v := range p.Versions {
		out := change(*v)
		out.Files = slices.Clone(v.Files)
		for i := range out.Files {
			out.Files[i].Asset.URLs = []string{}
		}
		l.Best[name] = out
	}
	return l
}

// plain is a version without pictures.
func plain(v registry.Version) *registry.Version {
	v.Icon = ""
	v.DependencyMetadata = maps.Clone(v.DependencyMetadata)
	for id, d := range v.DependencyMetadata {
		d.Icon = nil
		v.DependencyMetadata[id] = d
	}
	return &v
}

// seal signs the list and what leads to it, the last first seen.
func (w *writer) seal() error {
	expires := w.targets.Signed.Expires
	w.targets.Signed.Version = w.version
	list, err := signed(w.targets, w.keys[metadata.TARGETS])
	if err != nil {
		return err
	}
	snapshot := metadata.Snapshot(expires)
	snapshot.Signed.Version = w.version
	snapshot.Signed.Meta = map[string]*metadata.MetaFiles{targetsEntry: described(list, w.version)}
	shot, err := signed(snapshot, w.keys[metadata.SNAPSHOT])
	if err != nil {
		return err
	}
	timestamp := metadata.Timestamp(expires)
	timestamp.Signed.Version = w.version
	timestamp.Signed.Meta = map[string]*metadata.MetaFiles{snapshotEntry: described(shot, w.version)}
	stamp, err := signed(timestamp, w.keys[metadata.TIMESTAMP])
	if err != nil {
		return err
	}
	type part struct {
		name string
		raw  []byte
	}
	parts := []part{{targetsName(w.version), list}, {snapshotName(w.version), shot}}
	if w.fresh {
		parts = append(parts, part{rootName(w.root.Signed.Version), w.rootRaw})
	}
	for _, p := range append(parts, part{timestampName, stamp}) {
		err := w.Folder.Put(func(f File) (string, error) {
			_, err := f.Write(p.raw)
			return p.name, err
		})
		if err != nil {
			return err
		}
	}
	w.result.Fingerprint = Fingerprint(w.rootRaw)
	return nil
}

func signed[T metadata.Roles](m *metadata.Metadata[T], keys []key) ([]byte, error) {
	for _, k := range keys {
		if _, err := m.Sign(k); err != nil {
			return nil, err
		}
	}
	return m.ToBytes(false)
}

func described(raw []byte, version int64) *metadata.MetaFiles {
	sum := sha256.Sum256(raw)
	return &metadata.MetaFiles{Length: int64(len(raw)), Hashes: metadata.Hashes{"sha256": sum[:]}, Version: version}
}

// sweep removes what neither this export nor the one before it needs, which somebody may be reading.
func (w *writer) sweep() error {
	needed := map[string]bool{}
	for _, list := range []map[string]*metadata.TargetFiles{w.before, w.targets.Signed.Targets} {
		for name, t := range list {
			needed[consistent(name, sumOf(t))] = true
		}
	}
	for _, version := range []int64{w.old, w.version} {
		needed[snapshotName(version)], needed[targetsName(version)] = true, true
	}
	for dir, ours := range map[string]*regexp.Regexp{"": metaPattern, "targets/": targetPattern, "targets/packages/": targetPattern, "targets/files/": targetPattern} {
		names, err := w.Folder.List(dir)
		if err != nil {
			return err
		}
		for _, name := range names {
			if ours.MatchString(name) && !needed[dir+name] {
				if err := w.Folder.Remove(dir + name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

var targetPattern = regexp.MustCompile(`^[0-9a-f]{64}\.`)
