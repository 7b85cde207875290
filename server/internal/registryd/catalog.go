package registryd

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/merkle"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/store"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
)

// catalog is what the rows say, in the form in which it is read. Entries are never changed once they are in it.
type catalog struct {
	mu         sync.RWMutex // guards all of it
	packages   map[string]*entry
	ids        []string // of packages, sorted
	categories map[string]registry.Category
	signers    map[string]*registryv1.RegistrySigner
	keys       map[sign.PublicKey]*registryv1.RegistrySigner
	system     map[string]*registryv1.RegistryOSVersion
	identity   *registryv1.RegistryIdentitySpec
}

// entry is a package. Where versions name an icon it is the digest. Of files they have what versions are chosen by; who has signed them
// and where they lie is in the rows, which are read for an answer and lie here as they are stored: there may be tens of thousands.
type entry struct {
	id         string
	row        *registryv1.RegistryPackageSpec
	versions   []registry.Candidate // the newest first
	rows       [][]byte             // of versions, in their order
	kept       []s9pk.Commitment    // of files that are here
	authorized map[string]exver.Range
	text       string // lower case, to be looked through
}

func newCatalog() *catalog { return &catalog{packages: map[string]*entry{}} }

// load reads everything.
func (c *catalog) load(st *store.Store) error {
	var all []string
	err := st.View(func(tx *store.Tx) (err error) {
		all, err = store.IDs[*registryv1.RegistryPackage](tx, "")
		return err
	})
	if err != nil {
		return err
	}
	return c.refresh(st, all)
}

// refresh reads some packages anew, and all that is not of packages.
func (c *catalog) refresh(st *store.Store, packages []string) error {
	next := newCatalog()
	err := st.View(func(tx *store.Tx) error {
		if err := next.readPackages(tx, packages); err != nil {
			return err
		}
		rest, err := readRest(tx)
		if err != nil {
			return err
		}
		return next.setRest(rest)
	})
	if err != nil {
		return err
	}
	c.take(next)
	return nil
}

// readPackages reads packages, making entries of some on all processors while others are read: of the tens of thousands there
// may be when a registry starts, the making takes most of the time.
func (c *catalog) readPackages(tx *store.Tx, packages []string) error {
	var making errgroup.Group
	making.SetLimit(runtime.GOMAXPROCS(0))
	entries := make([]*entry, len(packages))
	var failed error
	for i, id := range packages {
		part, err := readPackage(tx, id)
		if failed = err; err != nil {
			break
		}
		making.Go(func() (err error) {
			entries[i], err = newEntry(part)
			return err
		})
	}
	if err := making.Wait(); err != nil || failed != nil {
		return cmp.Or(failed, err)
	}
	for i, id := range packages {
		c.packages[id] = entries[i]
	}
	return nil
}

// take takes over the packages of another catalogue, those that are nil out, and all that is not of packages.
func (c *catalog) take(next *catalog) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, e := range next.packages {
		if e == nil {
			delete(c.packages, id)
		} else {
			c.packages[id] = e
		}
	}
	if len(next.packages) > 0 {
		c.ids = slices.Sorted(maps.Keys(c.packages))
	}
	c.categories, c.signers, c.keys, c.system, c.identity = next.categories, next.signers, next.keys, next.system, next.identity
}

// setRest sets all that is not of packages.
func (c *catalog) setRest(part *registryv1.StoragePart) error {
	c.categories, c.signers, c.keys = map[string]registry.Category{}, map[string]*registryv1.RegistrySigner{}, map[sign.PublicKey]*registryv1.RegistrySigner{}
	c.system, c.identity = map[string]*registryv1.RegistryOSVersion{}, part.GetIdentity().GetSpec()
	for _, row := range part.GetCategories() {
		var name s9pk.LocaleString
		if err := json.Unmarshal(row.GetSpec().GetName(), &name); err != nil {
			return err
		}
		c.categories[row.GetMeta().GetId()] = registry.Category{Name: name}
	}
	for _, row := range part.GetSigners() {
		c.signers[row.GetMeta().GetId()] = row
		for _, raw := range row.GetSpec().GetKeys() {
			if len(raw) != len(sign.PublicKey{}) {
				return fmt.Errorf("cannot use a key of %d bytes", len(raw))
			}
			c.keys[sign.PublicKey(raw)] = row
		}
	}
	for _, row := range part.GetOsVersions() {
		c.system[row.GetSpec().GetVersion()] = row
	}
	return nil
}

// newEntry makes the entry of a package; nil without one.
func newEntry(part *registryv1.StoragePart) (*entry, error) {
	if part == nil {
		return nil, nil
	}
	id := part.GetPackage().GetMeta().GetId()
	e := &entry{id: id, row: part.GetPackage().GetSpec(), authorized: map[string]exver.Range{}}
	e.versions, e.kept = make([]registry.Candidate, 0, len(part.GetVersions())), make([]s9pk.Commitment, 0, len(part.GetVersions()))
	var err error
	for signer, text := range e.row.GetAuthorized() {
		if e.authorized[signer], err = exver.ParseRange(text); err != nil {
			return nil, err
		}
	}
	raw := map[*registry.Version][]byte{}
	for _, row := range part.GetVersions() {
		parsed, err := exver.Parse(row.GetSpec().GetVersion())
		if err != nil {
			return nil, err
		}
		v, err := versionOf(row.GetSpec())
		if err != nil {
			return nil, fmt.Errorf("cannot read version %s of %s: %w", parsed, id, err)
		}
		row.Spec.Metadata = nil // v has it
		if raw[v], err = proto.Marshal(row.GetSpec()); err != nil {
			return nil, err
		}
		e.versions = append(e.versions, registry.Candidate{Exver: parsed, Version: v})
		for _, f := range row.GetSpec().GetFiles() {
			if f.GetKept() {
				e.kept = append(e.kept, commitmentOf(f.GetCommitment()))
			}
		}
	}
	slices.SortFunc(e.versions, func(a, b registry.Candidate) int { return b.Exver.Order(a.Exver) })
	e.rows = make([][]byte, len(e.versions))
	for i, v := range e.versions {
		e.rows[i] = raw[v.Version]
	}
	e.text = strings.ToLower(id)
	if len(e.versions) > 0 {
		v := e.versions[0].Version
		for _, text := range []s9pk.LocaleString{v.Description.Short, v.Description.Long} {
			locales := text.Locales()
			if len(locales) == 0 {
				locales = []string{""}
			}
			for _, locale := range locales {
				e.text += "\n" + strings.ToLower(text.In(locale))
			}
		}
		e.text += "\n" + strings.ToLower(v.Title)
	}
	return e, nil
}

// versionOf brings a row into the form of the protocol, with digests where it has icons, and files without places and signatures.
func versionOf(spec *registryv1.RegistryVersionSpec) (*registry.Version, error) {
	v := &registry.Version{Icon: spec.GetIcon(), DependencyMetadata: map[ids.Package]registry.Dependency{}, Files: []registry.File{}}
	if err := json.Unmarshal(spec.GetMetadata(), &v.Metadata); err != nil {
		return nil, err
	}
	for _, d := range spec.GetDependencies() {
		out := registry.Dependency{Optional: d.GetOptional()}
		if d.GetIcon() != "" {
			out.Icon = &d.Icon
		}
		for from, to := range map[*[]byte]**s9pk.LocaleString{&d.Title: &out.Title, &d.Description: &out.Description} {
			if len(*from) > 0 {
				*to = new(s9pk.LocaleString)
				if err := json.Unmarshal(*from, *to); err != nil {
					return nil, err
				}
			}
		}
		v.DependencyMetadata[ids.Package(d.GetPackageId())] = out
	}
	if spec.GetSourceRange() != "" {
		r, err := exver.ParseRange(spec.GetSourceRange())
		if err != nil {
			return nil, err
		}
		v.SourceVersion = &r
	}
	for _, f := range spec.GetFiles() {
		file := registry.File{Asset: registry.Asset{
			PublishedAt: f.GetPublishTime().AsTime(), Commitment: commitmentOf(f.GetCommitment()),
		}}
		if err := json.Unmarshal(f.GetHardware(), &file.Hardware); err != nil {
			return nil, err
		}
		v.Files = append(v.Files, file)
	}
	return v, nil
}

func commitmentOf(c *registryv1.Commitment) s9pk.Commitment {
	var hash merkle.Hash
	copy(hash[:], c.GetRootSighash())
	return s9pk.Commitment{RootSighash: hash, RootMaxSize: int64(c.GetRootMaxSize())}
}

// SignaturesOf are the signatures of a file in the form of the protocol.
func SignaturesOf(list []*registryv1.Signature) map[string]string {
	out := make(map[string]string, len(list))
	for _, s := range list {
		out[sign.PublicKey(s.GetKey()).PEM()] = sign.Signature(s.GetSignature()).PEM()
	}
	return out
}

func (c *catalog) signerOf(key sign.PublicKey) *registryv1.RegistrySigner {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.keys[key]
}

// publishes tells whether a signer may publish any package.
func (c *catalog) publishes(signer string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, e := range c.packages {
		if _, ok := e.authorized[signer]; ok {
			return true
		}
	}
	return false
}

func (c *catalog) get(id string) *entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.packages[id]
}

// keeps tells whether a version has the file of this name.
func (c *catalog) keeps(name string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, e := range c.packages {
		for _, file := range e.kept {
			if file.Name() == name {
				return true
			}
		}
	}
	return false
}

// kept are the names of all files that versions have here.
func (c *catalog) kept() map[string]bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	names := map[string]bool{}
	for _, e := range c.packages {
		for _, file := range e.kept {
			names[file.Name()] = true
		}
	}
	return names
}

// all are the ids of all packages, sorted.
func (c *catalog) all() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Clone(c.ids)
}

// Found is a package with the versions that will do.
type Found struct {
	ID           string
	Categories   []string
	Best, Others []registry.Candidate
	entry        *entry
}

// Row is the row of one of its versions, without what people are told of it, and the caller's own.
func (f Found) Row(c registry.Candidate) *registryv1.RegistryVersionSpec {
	return f.entry.rowOf(c.Whole())
}

func (e *entry) rowOf(v *registry.Version) *registryv1.RegistryVersionSpec {
	row := &registryv1.RegistryVersionSpec{}
	i := slices.IndexFunc(e.versions, func(c registry.Candidate) bool { return c.Version == v })
	if err := proto.Unmarshal(e.rows[i], row); err != nil {
		panic(err) // it was written by newEntry
	}
	return row
}

func (e *entry) find(q registry.Question) Found {
	f := Found{ID: e.id, Categories: e.row.GetCategories(), entry: e}
	f.Best, f.Others = registry.Choose(e.versions, q)
	return f
}

// Get finds the versions of a package that will do; false when there is no such package.
func (s *Service) Get(id string, q registry.Question) (Found, bool) {
	e := s.catalog.get(id)
	if e == nil {
		return Found{}, false
	}
	return e.find(q), true
}

// Filter says which packages are looked for.
type Filter struct {
	Question registry.Question
	Query    string // words, all of which a package must have
	Category string
	After    string // id after which to begin
	Limit    int    // 0: no limit
}

// List finds packages that have a version which will do, by id, and tells how many there are in all.
func (s *Service) List(f Filter) (found []Found, total int) {
	words := strings.Fields(strings.ToLower(f.Query))
	s.catalog.mu.RLock()
	list := s.catalog.ids
	entries := make([]*entry, 0, len(list))
	for _, id := range list {
		entries = append(entries, s.catalog.packages[id])
	}
	s.catalog.mu.RUnlock()
	for _, e := range entries {
		if !e.matches(words, f.Category) {
			continue
		}
		if f.Limit > 0 && (len(found) == f.Limit || e.id <= f.After) { // of the others the number is enough
			if best, _ := registry.Choose(e.versions, f.Question); len(best) > 0 {
				total++
			}
			continue
		}
		if one := e.find(f.Question); len(one.Best) > 0 {
			found = append(found, one)
			total++
		}
	}
	return found, total
}

func (e *entry) matches(words []string, category string) bool {
	if category != "" && !slices.Contains(e.row.GetCategories(), category) {
		return false
	}
	for _, w := range words {
		if !strings.Contains(e.text, w) {
			return false
		}
	}
	return true
}

// Packages are the ids of all packages, sorted.
func (s *Service) Packages() []string { return s.catalog.all() }

// Categories are all categories, by id.
func (s *Service) Categories() map[string]registry.Category {
	s.catalog.mu.RLock()
	defer s.catalog.mu.RUnlock()
	return maps.Clone(s.catalog.categories)
}

// Identity is what the registry tells of itself, with the digest of its icon.
func (s *Service) Identity() *registryv1.RegistryIdentitySpec {
	s.catalog.mu.RLock()
	defer s.catalog.mu.RUnlock()
	return s.catalog.identity
}

// Signers are all signers, by id.
func (s *Service) Signers() map[string]*registryv1.RegistrySigner {
	s.catalog.mu.RLock()
	defer s.catalog.mu.RUnlock()
	return maps.Clone(s.catalog.signers)
}

// Authorized are the signers who may publish a package, and which versions; false when there is no such package.
func (s *Service) Authorized(pkg string) (map[string]exver.Range, bool) {
	e := s.catalog.get(pkg)
	if e == nil {
		return nil, false
	}
	return e.authorized, true
}
