package registryd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/fetch"
	"github.com/hearthos/hearth/api/sign"
)

// Inspected is what a file says it is. Every byte of it was verified.
type Inspected struct {
	Package      string
	Version      exver.Version
	Metadata     registry.Metadata
	Icon         string // a data URL
	Dependencies []Shown
	Hardware     s9pk.Hardware
	Size         uint64
	Signer       sign.PublicKey
	Signature    sign.Signature
}

// Shown is what a file shows of a package that it uses; its icon is a data URL.
type Shown struct {
	Package            string
	Title, Description *s9pk.LocaleString
	Icon               string
	Optional           bool
}

// Admit refuses a version of a package.
type Admit func(pkg string, v exver.Version) error

// fetch inspects what lies behind a URL.
func (s *Service) fetch(ctx context.Context, url string, c s9pk.Commitment, admit Admit) (*Inspected, error) {
	file, err := fetch.Open(ctx, url, fetch.Options{Transport: s.opt.Transport})
	if err != nil {
		return nil, fault.New(metav1.Reason_REASON_DOWNLOAD_FAILED, "cannot list what cannot be fetched: %s", err)
	}
	defer file.Close()
	return inspect(ctx, file, file.Size(), file.Known(), c, admit)
}

// inspect verifies every byte of a package file that is admitted, and tells what it is.
func inspect(ctx context.Context, r io.ReaderAt, size int64, known bool, c s9pk.Commitment, admit Admit) (*Inspected, error) {
	f, err := s9pk.Open(r, size, s9pk.Options{Commitment: &c})
	if err != nil {
		return nil, refusal(err)
	}
	if err := admit(string(f.Manifest().ID), f.Manifest().Version); err != nil {
		return nil, err
	}
	if err := f.VerifyAll(ctx, nil); err != nil {
		return nil, refusal(err)
	}
	out := &Inspected{
		Package: string(f.Manifest().ID), Version: f.Manifest().Version, Metadata: registry.MetadataOf(f.Manifest()),
		Hardware: f.Manifest().Hardware, Signer: f.Signer(), Signature: f.Header().Signature,
	}
	if known {
		if err := f.CheckNoMore(); err != nil {
			return nil, refusal(err)
		}
		out.Size = uint64(size)
	}
	if out.Hardware.Device == nil {
		out.Hardware.Device = []s9pk.DeviceFilter{}
	}
	return out, out.show(f)
}

// show reads the icon and what is shown of other packages.
func (i *Inspected) show(f *s9pk.File) error {
	layout, err := f.Layout("")
	if err != nil {
		return refusal(err)
	}
	if i.Icon, err = iconOf(f, layout.Icon); err != nil {
		return err
	}
	for id, d := range f.Manifest().Dependencies {
		shown := Shown{Package: string(id), Description: d.Description, Optional: d.Optional}
		files := layout.Dependencies[id]
		if files.Metadata != "" {
			title, err := f.DependencyTitle(files)
			if err != nil {
				return refusal(err)
			}
			shown.Title = &title
		}
		if files.Icon != "" {
			if shown.Icon, err = iconOf(f, files.Icon); err != nil {
				return err
			}
		}
		i.Dependencies = append(i.Dependencies, shown)
	}
	return nil
}

func iconOf(f *s9pk.File, path string) (string, error) {
	content, err := f.ReadFile(path, maxIcon)
	if err != nil {
		return "", refusal(err)
	}
	return DataURL(s9pk.IconType(path), content), nil
}

// refusal is why a package file is refused, as callers know it.
func refusal(err error) error {
	var refused *s9pk.Error
	if !errors.As(err, &refused) {
		return err
	}
	reason, ok := s9pk.Fault(refused.Reason)
	if !ok {
		return fault.New(metav1.Reason_REASON_DOWNLOAD_FAILED, "cannot list what cannot be read: %s", refused.Error())
	}
	return fault.New(reason, "cannot list the package file: %s", refused.Error()).With("s9pk_reason", string(refused.Reason))
}

// spec makes the row of a version that has one file. Icons are kept first.
func (s *Service) spec(ctx context.Context, i *Inspected, file *registryv1.RegistryFile) (*registryv1.RegistryVersionSpec, error) {
	metadata, err := json.Marshal(i.Metadata)
	if err != nil {
		return nil, err
	}
	out := &registryv1.RegistryVersionSpec{Version: i.Version.String(), Metadata: metadata, Files: []*registryv1.RegistryFile{file}}
	if out.Icon, err = s.files.KeepIcon(ctx, i.Icon); err != nil {
		return nil, err
	}
	for _, d := range i.Dependencies {
		row := &registryv1.RegistryDependency{PackageId: d.Package, Optional: d.Optional}
		if d.Icon != "" {
			if row.Icon, err = s.files.KeepIcon(ctx, d.Icon); err != nil {
				return nil, err
			}
		}
		for from, to := range map[*s9pk.LocaleString]*[]byte{d.Title: &row.Title, d.Description: &row.Description} {
			if from == nil {
				continue
			}
			if *to, err = json.Marshal(from); err != nil {
				return nil, err
			}
		}
		out.Dependencies = append(out.Dependencies, row)
	}
	sortDependencies(out.Dependencies)
	if file.Hardware, err = json.Marshal(i.Hardware); err != nil {
		return nil, fmt.Errorf("cannot write the requirements: %w", err)
	}
	return out, nil
}
