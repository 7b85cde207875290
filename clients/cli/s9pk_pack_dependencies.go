package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/s9pk/fetch"
)

// maxDependencyIcon bounds the icon of a dependency.
const maxDependencyIcon = 100 << 10

// addDependencies adds title and icon of the dependencies, which the manifest either describes or takes from their packages,
// and removes from the manifest where they came from.
func (p *project) addDependencies(ctx context.Context) error {
	icons, err := p.givenIcons()
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(p.manifest.Dependencies)) {
		d := p.manifest.Dependencies[id]
		switch {
		case d.Metadata != nil:
			icon, given := icons[id]
			switch {
			case given:
			case d.Metadata.Icon == "":
				err = p.addTitle(id, d.Metadata.Title)
			default:
				icon = p.pathOrURL(d.Metadata.Icon)
			}
			if icon != "" {
				err = p.describedDependency(ctx, id, d.Metadata.Title, icon)
			}
		case d.S9PK != nil:
			err = p.packagedDependency(ctx, id, p.pathOrURL(*d.S9PK))
		}
		if err != nil {
			return err
		}
		d.Metadata, d.S9PK = nil, nil
		p.manifest.Dependencies[id] = d
	}
	return nil
}

// pathOrURL answers what a manifest names: a URL, or a path within the project.
func (p *project) pathOrURL(name string) string {
	if fetch.IsURL(name) {
		return name
	}
	name = strings.TrimPrefix(name, "file://")
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.dir, name)
}

// givenIcons are the files of --dependency-icon. Each is for a dependency that the manifest describes.
func (p *project) givenIcons() (map[ids.Package]string, error) {
	given := map[ids.Package]string{}
	for _, arg := range p.icons {
		name, file, ok := strings.Cut(arg, "=")
		if !ok || file == "" {
			return nil, wrong("usage.dependency-icon-pair", "Value", arg)
		}
		id := ids.Package(name)
		if p.manifest.Dependencies[id].Metadata == nil {
			return nil, wrong("usage.dependency-icon-unknown", "Value", arg, "ID", name)
		}
		given[id] = file
	}
	return given, nil
}

func (p *project) describedDependency(ctx context.Context, id ids.Package, title s9pk.LocaleString, name string) error {
	f, err := p.openBytes(ctx, name)
	if err != nil {
		return err
	}
	icon, err := io.ReadAll(io.NewSectionReader(f, 0, maxDependencyIcon+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if u, err := url.Parse(name); err == nil && fetch.IsURL(name) {
		name = u.Path
	}
	return p.addDependency(id, title, name, icon)
}

func (p *project) packagedDependency(ctx context.Context, id ids.Package, name string) error {
	return p.withPackage(ctx, name, func(f *packageFile) error {
		if f.Manifest().ID != id {
			return badProject("%s is the package %s, not the dependency %s", name, f.Manifest().ID, id)
		}
		l, err := f.Layout("")
		if err != nil {
			return err
		}
		icon, err := f.ReadFile(l.Icon, maxDependencyIcon)
		if err != nil {
			return err
		}
		return p.addDependency(id, s9pk.Text(f.Manifest().Title), l.Icon, icon)
	})
}

func (p *project) addDependency(id ids.Package, title s9pk.LocaleString, iconName string, icon []byte) error {
	if len(icon) > maxDependencyIcon {
		return badProject("the icon of the dependency %s has more than %d bytes", id, maxDependencyIcon)
	}
	if err := p.addTitle(id, title); err != nil {
		return err
	}
	p.members[path.Join("dependencies", string(id), "icon."+iconExtension(iconName))] = s9pk.FromBytes(icon)
	return nil
}

// addTitle adds what is known of a dependency without an icon.
func (p *project) addTitle(id ids.Package, title s9pk.LocaleString) error {
	text, err := compact(map[string]any{"title": title})
	if err != nil {
		return err
	}
	p.members[path.Join("dependencies", string(id), "metadata.json")] = s9pk.FromBytes(text)
	return nil
}

// iconExtension is the one extension that packages have for each type of icon.
func iconExtension(name string) string {
	switch kind := s9pk.IconType(strings.ToLower(name)); kind {
	case "":
		return "ico"
	case "image/jpeg":
		return "pjp"
	case "image/svg+xml":
		return "svg"
	default:
		return strings.TrimPrefix(strings.TrimPrefix(kind, "image/"), "x-")
	}
}
