package registryd

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/inbox"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	maxFiles   = 32 // of a version
	maxMirrors = 32 // of a file
)

// Offer is a file that a signer wants to be listed.
type Offer struct {
	Ticket     string // of an upload that the registry shall keep; empty: it lies elsewhere
	URLs       []string
	Commitment s9pk.Commitment
	Signature  sign.Signature
}

// AddPackage lists a file, once every byte of it has been hashed wherever it lies. A version that is listed already gets
// a further file, mirror or signature, if it says the same of itself.
func (s *Service) AddPackage(ctx context.Context, who Who, o Offer) (*registryv1.RegistryVersionSpec, string, error) {
	if err := s.mayList(who, o); err != nil {
		return nil, "", err
	}
	admit := func(pkg string, v exver.Version) error { return s.may(who, pkg, v) }
	var upload *inbox.Upload
	var inspected *Inspected
	var err error
	if o.Ticket != "" {
		if upload, inspected, err = s.inspectUpload(ctx, o, admit); err != nil {
			return nil, "", err
		}
		defer upload.Close()
	}
	for _, url := range o.URLs {
		if inspected, err = s.opt.Inspect(ctx, url, o.Commitment, admit); err != nil {
			return nil, "", err
		}
	}
	file := &registryv1.RegistryFile{
		Urls: o.URLs, Size: inspected.Size, PublishTime: timestamppb.New(s.opt.Clock()), Kept: upload != nil,
		Commitment: &registryv1.Commitment{RootSighash: o.Commitment.RootSighash[:], RootMaxSize: uint64(o.Commitment.RootMaxSize)},
		Signatures: []*registryv1.Signature{{Key: inspected.Signer[:], Signature: inspected.Signature[:]}},
	}
	addSignature(file, who.Key, o.Signature)
	spec, err := s.spec(ctx, inspected, file)
	if err != nil {
		return nil, "", err
	}
	if upload != nil {
		if err := s.files.keep(ctx, upload, o.Commitment.Name()); err != nil {
			return nil, "", err
		}
	}
	return s.list(ctx, who, inspected, spec, "")
}

// mayList refuses what nobody has to look into.
func (s *Service) mayList(who Who, o Offer) error {
	if err := s.writable(); err != nil {
		return err
	}
	switch {
	case who.Signer == "":
		return notAllowed("only a signer of the registry may publish")
	case !who.Admin && !s.catalog.publishes(who.Signer):
		return notAllowed("%s may not publish any package here", who.Name)
	case o.Ticket == "" && len(o.URLs) == 0:
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot list a file that lies nowhere: give an upload or a URL")
	case len(o.URLs) > maxMirrors:
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot list more than %d places of a file", maxMirrors)
	}
	if err := who.Key.Verify(sign.ContextPackage, o.Commitment.Message(), o.Signature); err != nil {
		return fault.New(metav1.Reason_REASON_OFFER_SIGNATURE, "cannot list the file: the signature over it does not verify")
	}
	return nil
}

func notAllowed(format string, args ...any) *fault.Error {
	return fault.New(metav1.Reason_REASON_SIGNER_NOT_ALLOWED, format, args...)
}

func (s *Service) inspectUpload(ctx context.Context, o Offer, admit Admit) (*inbox.Upload, *Inspected, error) {
	u, err := s.files.OpenUpload(o.Ticket)
	if err != nil {
		return nil, nil, err
	}
	var i *Inspected
	if err = u.Whole(); err == nil {
		i, err = inspect(ctx, u, u.Size(), true, o.Commitment, admit)
	}
	if err != nil {
		u.Close()
		return nil, nil, err
	}
	return u, i, nil
}

// may refuses a signer who may not publish a version of a package.
func (s *Service) may(who Who, pkg string, v exver.Version) error {
	if _, err := ids.ParseNewPackage(pkg); err != nil {
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot list the package: %w", err)
	}
	if who.Admin {
		return nil
	}
	authorized, _ := s.Authorized(pkg)
	if r, ok := authorized[who.Signer]; ok && v.Satisfies(r) {
		return nil
	}
	return notAllowed("%s may not publish %s %s here", who.Name, pkg, v).With("package", pkg).With("version", v.String())
}

func addSignature(f *registryv1.RegistryFile, key sign.PublicKey, signature sign.Signature) {
	for _, have := range f.Signatures {
		if sign.PublicKey(have.GetKey()) == key {
			return
		}
	}
	f.Signatures = append(f.Signatures, &registryv1.Signature{Key: key[:], Signature: signature[:]})
}

// versionID is the id of the row of a version.
func versionID(pkg string, v exver.Version) (string, error) {
	escaped, err := ids.Escape(v.String())
	if err != nil {
		return "", err
	}
	return ids.Join(pkg, escaped)
}

// list puts a version with its one file into the registry. A package comes from one registry for as long as it is listed.
func (s *Service) list(ctx context.Context, who Who, i *Inspected, spec *registryv1.RegistryVersionSpec, upstream string) (*registryv1.RegistryVersionSpec, string, error) {
	id, err := versionID(i.Package, i.Version)
	if err != nil {
		return nil, "", err
	}
	var after *registryv1.RegistryVersionSpec
	var replaced []string
	err = s.change(ctx, who, "add "+i.Package+" "+spec.GetVersion(), func(tx *store.Tx, touch func(string)) error {
		row, err := packageRow(tx, i.Package, true)
		if err != nil {
			return err
		}
		if isNew := row.GetMeta().GetGeneration() == 0; isNew {
			row.Spec.Upstream = upstream
		} else if have := row.GetSpec().GetUpstream(); have != upstream {
			return notUpstream(i.Package, upstream, have)
		}
		if err := store.Put(tx, row); err != nil {
			return err
		}
		version, ok, err := store.Lookup[*registryv1.RegistryVersion](tx, id)
		if err != nil {
			return err
		}
		replaced = nil
		if !ok {
			version = &registryv1.RegistryVersion{Meta: &metav1.Meta{Id: id}, Spec: spec}
		} else if replaced, err = merge(version.Spec, spec); err != nil {
			return err
		}
		after = version.GetSpec()
		touch(i.Package)
		return store.Put(tx, version)
	})
	if err != nil {
		return nil, "", err
	}
	return after, i.Package, s.dropUnlisted(ctx, replaced)
}

// merge adds a file to a version that says the same of itself. Of files for the same machine there is one: it answers the
// names of those that the new one takes the place of.
func merge(have, add *registryv1.RegistryVersionSpec) (replaced []string, err error) {
	same := proto.Equal(describe(have), describe(add))
	if !same {
		return nil, fault.New(metav1.Reason_REASON_LISTING_CONFLICT, "cannot add the file to version %s, which is listed and tells something else of itself", have.GetVersion())
	}
	file := add.GetFiles()[0]
	for n, f := range have.Files {
		switch {
		case proto.Equal(f.GetCommitment(), file.GetCommitment()):
			for _, url := range file.GetUrls() {
				if !slices.Contains(f.Urls, url) {
					f.Urls = append(f.Urls, url)
				}
			}
			if len(f.Urls) > maxMirrors {
				return nil, fault.New(metav1.Reason_REASON_TOO_MANY, "cannot list more than %d places of a file", maxMirrors)
			}
			for _, sg := range file.GetSignatures() {
				addSignature(f, sign.PublicKey(sg.GetKey()), sign.Signature(sg.GetSignature()))
			}
			f.Kept = f.Kept || file.GetKept()
			return nil, nil
		case string(f.GetHardware()) == string(file.GetHardware()):
			have.Files[n] = file
			return []string{commitmentOf(f.GetCommitment()).Name()}, nil
		}
	}
	if len(have.Files) >= maxFiles {
		return nil, fault.New(metav1.Reason_REASON_TOO_MANY, "cannot list more than %d files of a version", maxFiles)
	}
	have.Files = append(have.Files, file)
	return nil, sortFiles(have)
}

// describe is what a version says of itself.
func describe(spec *registryv1.RegistryVersionSpec) *registryv1.RegistryVersionSpec {
	out := proto.CloneOf(spec)
	out.Files = nil
	return out
}

func sortFiles(spec *registryv1.RegistryVersionSpec) error {
	files := make([]registry.File, len(spec.GetFiles()))
	place := map[s9pk.Commitment]*registryv1.RegistryFile{}
	for i, f := range spec.GetFiles() {
		files[i].Asset.Commitment = commitmentOf(f.GetCommitment())
		place[files[i].Asset.Commitment] = f
		if err := json.Unmarshal(f.GetHardware(), &files[i].Hardware); err != nil {
			return err
		}
	}
	registry.SortFiles(files)
	for i, f := range files {
		spec.Files[i] = place[f.Asset.Commitment]
	}
	return nil
}

func sortDependencies(list []*registryv1.RegistryDependency) {
	slices.SortFunc(list, func(a, b *registryv1.RegistryDependency) int {
		return strings.Compare(a.GetPackageId(), b.GetPackageId())
	})
}

// AddMirror lists a further place of a file, once what lies there has been hashed.
func (s *Service) AddMirror(ctx context.Context, who Who, o Offer) (*registryv1.RegistryVersionSpec, string, error) {
	if err := s.mayList(who, o); err != nil {
		return nil, "", err
	}
	inspected, err := s.opt.Inspect(ctx, o.URLs[0], o.Commitment, func(pkg string, v exver.Version) error { return s.may(who, pkg, v) })
	if err != nil {
		return nil, "", err
	}
	found, _ := s.Get(inspected.Package, registry.Question{})
	for _, c := range append(found.Best, found.Others...) {
		if c.Exver.Equal(inspected.Version) && slices.ContainsFunc(c.Version.Files, func(f registry.File) bool { return f.Asset.Commitment == o.Commitment }) {
			return s.AddPackage(ctx, who, o)
		}
	}
	return nil, "", notListed("there is no such file of %s %s", inspected.Package, inspected.Version)
}

// RemovePackage takes a version out, or one file of it; all of the package without a version. It answers whether there was
// anything.
func (s *Service) RemovePackage(ctx context.Context, who Who, pkg string, version *exver.Version, sighash []byte) (changed bool, err error) {
	e := s.catalog.get(pkg)
	if e == nil {
		return false, nil
	}
	for _, c := range e.versions {
		if version != nil && !c.Exver.Equal(*version) {
			continue
		}
		if err := s.may(who, pkg, c.Exver); err != nil {
			return false, err
		}
	}
	if version == nil && !who.Admin {
		return false, notAllowed("only an administrator may take a whole package out")
	}
	var gone []string
	err = s.change(ctx, who, "remove "+pkg, func(tx *store.Tx, touch func(string)) error {
		gone, changed = nil, false
		rows, err := store.List[*registryv1.RegistryVersion](tx, pkg)
		if err != nil {
			return err
		}
		touch(pkg)
		for _, row := range rows {
			if v, err := exver.Parse(row.GetSpec().GetVersion()); err != nil || version != nil && !v.Equal(*version) {
				continue
			}
			names, left := without(row.Spec, sighash)
			gone, changed = append(gone, names...), changed || len(names) > 0
			if left {
				err = store.Put(tx, row)
			} else {
				err = store.Delete[*registryv1.RegistryVersion](tx, row.GetMeta().GetId())
			}
			if err != nil {
				return err
			}
		}
		if version == nil && len(sighash) == 0 {
			changed = true
			return store.Delete[*registryv1.RegistryPackage](tx, pkg)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	return changed, s.dropUnlisted(ctx, gone)
}

// without takes a file out of a version, all of them without a hash, and tells the names of what went and whether any is left.
func without(spec *registryv1.RegistryVersionSpec, sighash []byte) (gone []string, left bool) {
	spec.Files = slices.DeleteFunc(spec.Files, func(f *registryv1.RegistryFile) bool {
		goes := len(sighash) == 0 || string(f.GetCommitment().GetRootSighash()) == string(sighash)
		if goes {
			gone = append(gone, commitmentOf(f.GetCommitment()).Name())
		}
		return goes
	})
	return gone, len(spec.Files) > 0
}

// dropUnlisted removes files that nothing lists any more: with the head that does not list them where others follow it.
func (s *Service) dropUnlisted(ctx context.Context, names []string) error {
	if s.shared != nil {
		s.shared.drop(names)
		return nil
	}
	for _, name := range names {
		if s.catalog.keeps(name) {
			continue
		}
		if err := s.files.remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// RemoveMirror takes a place of a file away; the last one cannot go.
func (s *Service) RemoveMirror(ctx context.Context, who Who, pkg string, v exver.Version, url string) error {
	if err := s.may(who, pkg, v); err != nil {
		return err
	}
	id, err := versionID(pkg, v)
	if err != nil {
		return err
	}
	return s.change(ctx, who, "remove mirror of "+pkg, func(tx *store.Tx, touch func(string)) error {
		row, ok, err := store.Lookup[*registryv1.RegistryVersion](tx, id)
		if err != nil {
			return err
		}
		if !ok {
			return notListed("there is no version %s of %q", v, pkg)
		}
		for _, f := range row.Spec.Files {
			if !slices.Contains(f.Urls, url) {
				continue
			}
			if len(f.Urls) == 1 && !f.GetKept() {
				return fault.New(metav1.Reason_REASON_LISTING_MIRROR_LAST, "cannot take the last place of the file away")
			}
			f.Urls = slices.DeleteFunc(f.Urls, func(have string) bool { return have == url })
			touch(pkg)
			return store.Put(tx, row)
		}
		return notListed("no file of %s %s lies at %s", pkg, v, url)
	})
}

// URLs are the places of a file, that in the registry first.
func (s *Service) URLs(f *registryv1.RegistryFile) []string {
	urls := f.GetUrls()
	if f.GetKept() {
		urls = append([]string{s.opt.URL + "/files/" + commitmentOf(f.GetCommitment()).Name() + ".s9pk"}, urls...)
	}
	return urls
}

// Revision is the number of the last change.
func (s *Service) Revision() uint64 {
	if s.follower != nil {
		return s.follower.revision.Load()
	}
	return s.store.Revision()
}

// Now is the registry's time.
func (s *Service) Now() time.Time { return s.opt.Clock() }
