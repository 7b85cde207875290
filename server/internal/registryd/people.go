package registryd

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"slices"
	"strings"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
	"github.com/hearthos/hearth/server/internal/store"
)

const identityID = "registry"

// newID makes an id of a signer, in the form that the tools of StartOS expect.
func newID() string {
	var raw [20]byte
	rand.Read(raw[:]) // never fails
	return base32.StdEncoding.EncodeToString(raw[:])
}

// SignerOf is a signer in the form of the protocol.
func SignerOf(spec *registryv1.RegistrySignerSpec) registry.Signer {
	out := registry.Signer{Name: spec.GetName(), Contact: []registry.Contact{}, Keys: []string{}}
	for _, c := range spec.GetContacts() {
		out.Contact = append(out.Contact, ContactOf(c))
	}
	for _, key := range spec.GetKeys() {
		out.Keys = append(out.Keys, sign.PublicKey(key).PEM())
	}
	return out
}

const matrix = "https://matrix.to/#/"

// ContactOf is a contact in the form of the protocol, ContactText one as a URL.
func ContactOf(text string) registry.Contact {
	if address, ok := strings.CutPrefix(text, "mailto:"); ok {
		return registry.Contact{Email: address}
	}
	if name, ok := strings.CutPrefix(text, matrix); ok {
		return registry.Contact{Matrix: name}
	}
	return registry.Contact{Website: text}
}

// ContactText is the inverse of ContactOf.
func ContactText(c registry.Contact) string {
	switch {
	case c.Email != "":
		return "mailto:" + c.Email
	case c.Matrix != "":
		return matrix + c.Matrix
	}
	return c.Website
}

// AddSigner adds a signer.
func (s *Service) AddSigner(ctx context.Context, who Who, spec *registryv1.RegistrySignerSpec) (*registryv1.RegistrySigner, error) {
	row := &registryv1.RegistrySigner{Meta: &metav1.Meta{Id: newID()}, Spec: spec}
	spec.Keys = slices.CompactFunc(spec.Keys, slices.Equal)
	return row, s.change(ctx, who, "add signer "+spec.GetName(), func(tx *store.Tx, _ func(string)) error {
		if err := keysFree(tx, row.GetMeta().GetId(), spec.GetKeys()); err != nil {
			return err
		}
		return store.Put(tx, row)
	})
}

// keysFree refuses keys that another signer has, and keys that prove nothing.
func keysFree(tx *store.Tx, id string, keys [][]byte) error {
	rows, err := store.List[*registryv1.RegistrySigner](tx, "")
	if err != nil {
		return err
	}
	for _, key := range keys {
		if len(key) != len(sign.PublicKey{}) || sign.PublicKey(key).SmallOrder() {
			return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use a key that proves nothing")
		}
		for _, row := range rows {
			if row.GetMeta().GetId() != id && slices.ContainsFunc(row.GetSpec().GetKeys(), func(k []byte) bool { return slices.Equal(k, key) }) {
				return fault.New(metav1.Reason_REASON_SIGNER_KEY_TAKEN, "cannot give the key to another signer: it is that of %q", row.GetSpec().GetName()).
					With("signer", row.GetMeta().GetId())
			}
		}
	}
	return nil
}

// SignerChange says what changes of a signer.
type SignerChange struct {
	Name                        *string
	AddContacts, RemoveContacts []string
	AddKeys, RemoveKeys         [][]byte
}

// UpdateSigner changes a signer.
func (s *Service) UpdateSigner(ctx context.Context, who Who, id string, c SignerChange) (*registryv1.RegistrySigner, error) {
	var row *registryv1.RegistrySigner
	return row, s.change(ctx, who, "change signer "+id, func(tx *store.Tx, _ func(string)) (err error) {
		if row, err = signerRow(tx, id); err != nil {
			return err
		}
		if c.Name != nil {
			row.Spec.Name = *c.Name
		}
		row.Spec.Contacts = slices.DeleteFunc(row.Spec.Contacts, func(have string) bool { return slices.Contains(c.RemoveContacts, have) })
		for _, add := range c.AddContacts {
			if !slices.Contains(row.Spec.Contacts, add) {
				row.Spec.Contacts = append(row.Spec.Contacts, add)
			}
		}
		has := func(list [][]byte, key []byte) bool {
			return slices.ContainsFunc(list, func(k []byte) bool { return slices.Equal(k, key) })
		}
		row.Spec.Keys = slices.DeleteFunc(row.Spec.Keys, func(have []byte) bool { return has(c.RemoveKeys, have) })
		for _, add := range c.AddKeys {
			if !has(row.Spec.Keys, add) {
				row.Spec.Keys = append(row.Spec.Keys, add)
			}
		}
		if err := keysFree(tx, id, c.AddKeys); err != nil {
			return err
		}
		return store.Put(tx, row)
	})
}

func signerRow(tx *store.Tx, id string) (*registryv1.RegistrySigner, error) {
	row, ok, err := store.Lookup[*registryv1.RegistrySigner](tx, id)
	if err == nil && !ok {
		err = fault.New(metav1.Reason_REASON_SIGNER_NOT_FOUND, "there is no signer %q", id).With("signer", id)
	}
	return row, err
}

// DeleteSigner takes a signer out, with all that he may do. The last administrator stays.
func (s *Service) DeleteSigner(ctx context.Context, who Who, id string) error {
	return s.change(ctx, who, "remove signer "+id, func(tx *store.Tx, touch func(string)) error {
		row, err := signerRow(tx, id)
		if err != nil {
			return err
		}
		if row.GetSpec().GetAdmin() {
			if err := notLast(tx, id); err != nil {
				return err
			}
		}
		packages, err := store.List[*registryv1.RegistryPackage](tx, "")
		if err != nil {
			return err
		}
		for _, p := range packages {
			if _, may := p.GetSpec().GetAuthorized()[id]; !may {
				continue
			}
			delete(p.Spec.Authorized, id)
			touch(p.GetMeta().GetId())
			if err := store.Put(tx, p); err != nil {
				return err
			}
		}
		system, err := store.List[*registryv1.RegistryOSVersion](tx, "")
		if err != nil {
			return err
		}
		for _, v := range system {
			v.Spec.Authorized = slices.DeleteFunc(v.Spec.Authorized, func(have string) bool { return have == id })
			if err := store.Put(tx, v); err != nil {
				return err
			}
		}
		return store.Delete[*registryv1.RegistrySigner](tx, id)
	})
}

func notLast(tx *store.Tx, id string) error {
	rows, err := store.List[*registryv1.RegistrySigner](tx, "")
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.GetSpec().GetAdmin() && row.GetMeta().GetId() != id {
			return nil
		}
	}
	return fault.New(metav1.Reason_REASON_ADMIN_LAST, "cannot do without an administrator: %q is the last", id)
}

// AddAdmin makes a signer an administrator.
func (s *Service) AddAdmin(ctx context.Context, who Who, id string) error {
	return s.setAdmin(ctx, who, id, true)
}

// DeleteAdmin ends that.
func (s *Service) DeleteAdmin(ctx context.Context, who Who, id string) error {
	return s.setAdmin(ctx, who, id, false)
}

func (s *Service) setAdmin(ctx context.Context, who Who, id string, admin bool) error {
	return s.change(ctx, who, "administrator "+id, func(tx *store.Tx, _ func(string)) error {
		row, err := signerRow(tx, id)
		if err != nil {
			return err
		}
		if !admin && row.GetSpec().GetAdmin() {
			if err := notLast(tx, id); err != nil {
				return err
			}
		}
		row.Spec.Admin = admin
		return store.Put(tx, row)
	})
}

// AddPackageSigner lets a signer publish a package in a range of versions; with merge besides those he may already. The
// package need not be there yet.
func (s *Service) AddPackageSigner(ctx context.Context, who Who, pkg, signer string, versions exver.Range, merge bool) error {
	if _, err := ids.ParseNewPackage(pkg); err != nil {
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use the id of the package: %w", err)
	}
	return s.change(ctx, who, "signer of "+pkg, func(tx *store.Tx, touch func(string)) error {
		if _, err := signerRow(tx, signer); err != nil {
			return err
		}
		row, err := packageRow(tx, pkg, true)
		if err != nil {
			return err
		}
		if before, ok := row.Spec.Authorized[signer]; ok && merge {
			had, err := exver.ParseRange(before)
			if err != nil {
				return err
			}
			versions = had.Or(versions)
		}
		if row.Spec.Authorized == nil {
			row.Spec.Authorized = map[string]string{}
		}
		row.Spec.Authorized[signer] = versions.String()
		touch(pkg)
		return store.Put(tx, row)
	})
}

// DeletePackageSigner ends that a signer may publish a package.
func (s *Service) DeletePackageSigner(ctx context.Context, who Who, pkg, signer string) error {
	return s.change(ctx, who, "signer of "+pkg, func(tx *store.Tx, touch func(string)) error {
		row, err := packageRow(tx, pkg, false)
		if err != nil {
			return err
		}
		if _, ok := row.Spec.Authorized[signer]; !ok {
			return fault.New(metav1.Reason_REASON_SIGNER_NOT_FOUND, "signer %q may not publish %q as it is", signer, pkg)
		}
		delete(row.Spec.Authorized, signer)
		touch(pkg)
		return store.Put(tx, row)
	})
}

// packageRow is the row of a package, a new one where it may make one.
func packageRow(tx *store.Tx, pkg string, create bool) (*registryv1.RegistryPackage, error) {
	row, ok, err := store.Lookup[*registryv1.RegistryPackage](tx, pkg)
	switch {
	case err != nil || ok:
		return row, err
	case !create:
		return nil, notListed("there is no package %q", pkg).With("package", pkg)
	}
	return &registryv1.RegistryPackage{Meta: &metav1.Meta{Id: pkg}, Spec: &registryv1.RegistryPackageSpec{}}, nil
}

// SetCategory adds a category or gives it another name.
func (s *Service) SetCategory(ctx context.Context, who Who, id string, name s9pk.LocaleString) error {
	if _, err := ids.ParsePackage(id); err != nil { // the same letters
		return fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "cannot use %q as the id of a category: lower-case letters, digits and single hyphens", id)
	}
	raw, err := json.Marshal(name)
	if err != nil {
		return err
	}
	return s.change(ctx, who, "category "+id, func(tx *store.Tx, _ func(string)) error {
		return store.Put(tx, &registryv1.RegistryCategory{Meta: &metav1.Meta{Id: id}, Spec: &registryv1.RegistryCategorySpec{Name: raw}})
	})
}

// DeleteCategory takes a category away, also from packages.
func (s *Service) DeleteCategory(ctx context.Context, who Who, id string) error {
	return s.change(ctx, who, "remove category "+id, func(tx *store.Tx, touch func(string)) error {
		if err := categoryThere(tx, id); err != nil {
			return err
		}
		packages, err := store.List[*registryv1.RegistryPackage](tx, "")
		if err != nil {
			return err
		}
		for _, p := range packages {
			if !slices.Contains(p.GetSpec().GetCategories(), id) {
				continue
			}
			p.Spec.Categories = slices.DeleteFunc(p.Spec.Categories, func(have string) bool { return have == id })
			touch(p.GetMeta().GetId())
			if err := store.Put(tx, p); err != nil {
				return err
			}
		}
		return store.Delete[*registryv1.RegistryCategory](tx, id)
	})
}

func categoryThere(tx *store.Tx, id string) error {
	_, ok, err := store.Lookup[*registryv1.RegistryCategory](tx, id)
	if err == nil && !ok {
		err = notListed("there is no category %q", id).With("category", id)
	}
	return err
}

// Categorize puts a package into a category or takes it out.
func (s *Service) Categorize(ctx context.Context, who Who, category, pkg string, in bool) error {
	return s.change(ctx, who, "category of "+pkg, func(tx *store.Tx, touch func(string)) error {
		if err := categoryThere(tx, category); err != nil {
			return err
		}
		row, err := packageRow(tx, pkg, false)
		if err != nil {
			return err
		}
		row.Spec.Categories = slices.DeleteFunc(row.Spec.Categories, func(have string) bool { return have == category })
		if in {
			row.Spec.Categories = append(row.Spec.Categories, category)
			slices.Sort(row.Spec.Categories)
		}
		touch(pkg)
		return store.Put(tx, row)
	})
}

// SetIdentity sets what the registry tells of itself; what is nil stays. The icon is a data URL, empty for none.
func (s *Service) SetIdentity(ctx context.Context, who Who, name, icon *string) error {
	if err := s.writable(); err != nil {
		return err
	}
	digest := ""
	if icon != nil && *icon != "" {
		var err error
		if digest, err = s.files.KeepIcon(ctx, *icon); err != nil {
			return err
		}
	}
	return s.change(ctx, who, "the registry", func(tx *store.Tx, _ func(string)) error {
		row, ok, err := store.Lookup[*registryv1.RegistryIdentity](tx, identityID)
		if err != nil {
			return err
		}
		if !ok {
			row = &registryv1.RegistryIdentity{Meta: &metav1.Meta{Id: identityID}, Spec: &registryv1.RegistryIdentitySpec{}}
		}
		if name != nil {
			row.Spec.Name = *name
		}
		if icon != nil {
			row.Spec.Icon = digest
		}
		return store.Put(tx, row)
	})
}
