package v0

import (
	"bufio"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	registryv1 "github.com/hearthos/hearth/api/gen/go/hearth/registry/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/server/internal/registryd"
)

func (h *Handler) info(c call) (any, error) {
	info := registry.Info{Categories: h.service.Categories()}
	info.Name, info.Icon = h.identity(c.ctx)
	return info, nil
}

func (h *Handler) identity(ctx context.Context) (name, icon *string) {
	if n := h.service.Identity().GetName(); n != "" {
		name = &n
	}
	return name, h.icon(ctx, h.service.Identity().GetIcon())
}

// icon is the icon of a digest, nil when there is none.
func (h *Handler) icon(ctx context.Context, digest string) *string {
	if i := h.service.Files().Icon(ctx, digest); i != "" {
		return &i
	}
	return nil
}

// index is everything.
func (h *Handler) index(c call) (any, error) {
	name, icon := h.identity(c.ctx)
	signers := map[string]registry.Signer{}
	for id, row := range h.service.Signers() {
		signers[id] = registryd.SignerOf(row.GetSpec())
	}
	return object(func(yield func(string, any) bool) {
		_ = yield("name", name) && yield("icon", icon) && yield("package", h.packages(c.ctx)) && yield("os", h.systems()) && yield("signers", signers)
	}), nil
}

// packages are all packages, with icons.
func (h *Handler) packages(ctx context.Context) lengthy {
	list := object(func(yield func(string, any) bool) {
		for _, id := range h.service.Packages() {
			if err := ctx.Err(); err != nil {
				yield(id, ended(err))
				return
			}
			found, there := h.service.Get(id, registry.Question{})
			authorized, _ := h.service.Authorized(id)
			if there && !yield(id, h.whole(ctx, found, authorized)) {
				return
			}
		}
	})
	return object(func(yield func(string, any) bool) {
		_ = yield("categories", h.service.Categories()) && yield("packages", list)
	})
}

// whole is a package with all that there is of it.
func (h *Handler) whole(ctx context.Context, f registryd.Found, authorized map[string]exver.Range) registry.Package {
	p := registry.Package{Authorized: authorized, Versions: map[string]*registry.Version{}, Categories: f.Categories}
	if p.Categories == nil {
		p.Categories = []string{}
	}
	icons := map[string]*string{} // versions of a package often have the same
	for _, c := range slices.Concat(f.Best, f.Others) {
		p.Versions[c.Exver.String()] = h.full(ctx, f, c, icons)
	}
	return p
}

// full is a version with icons, and with places and signatures of its files.
func (h *Handler) full(ctx context.Context, f registryd.Found, c registry.Candidate, icons map[string]*string) *registry.Version {
	get := func(digest string) *string {
		icon, known := icons[digest]
		if !known {
			icon = h.icon(ctx, digest)
			icons[digest] = icon
		}
		return icon
	}
	v := *c.Version
	if icon := get(v.Icon); icon != nil {
		v.Icon = *icon
	}
	v.DependencyMetadata = maps.Clone(v.DependencyMetadata)
	for id, d := range v.DependencyMetadata {
		if d.Icon != nil {
			d.Icon = get(*d.Icon)
			v.DependencyMetadata[id] = d
		}
	}
	places := map[string]*registryv1.RegistryFile{}
	for _, row := range f.Row(c).GetFiles() {
		places[string(row.GetCommitment().GetRootSighash())] = row
	}
	v.Files = append([]registry.File{}, v.Files...)
	for i := range v.Files {
		if row := places[string(v.Files[i].Asset.Commitment.RootSighash[:])]; row != nil {
			v.Files[i].Asset.URLs, v.Files[i].Asset.Signatures = h.service.URLs(row), registryd.SignaturesOf(row.GetSignatures())
		}
	}
	return &v
}

func (h *Handler) packageIndex(c call) (any, error) { return h.packages(c.ctx), nil }

func (h *Handler) packageGet(c call) (any, error) {
	p, err := into[registry.GetParams](c)
	if err != nil {
		return nil, err
	}
	detail := registry.DetailShort
	if p.OtherVersions != nil {
		detail = *p.OtherVersions
	}
	switch detail {
	case registry.DetailNone, registry.DetailShort, registry.DetailFull:
	default:
		return nil, errParams
	}
	q := registry.Question{Target: p.TargetVersion, Source: p.SourceVersion, Device: c.device}
	if p.ID != nil {
		found, there := h.service.Get(*p.ID, q)
		if !there {
			return registry.Answer(nil, nil, nil, detail)
		}
		if p.TargetVersion != nil && len(found.Best) > 0 {
			h.service.Count(*p.ID, found.Best[0].Exver.String())
		}
		return h.listing(c.ctx, found, c.device, detail)
	}
	return object(func(yield func(string, any) bool) {
		for _, id := range h.service.Packages() {
			if err := c.ctx.Err(); err != nil {
				yield(id, ended(err))
				return
			}
			found, _ := h.service.Get(id, q)
			if len(found.Best) == 0 {
				continue
			}
			listing := lengthy(func(w *bufio.Writer) error {
				l, err := h.listing(c.ctx, found, c.device, detail)
				if err != nil {
					return err
				}
				return encode(w, l)
			})
			if !yield(id, listing) {
				return
			}
		}
	}), nil
}

// listing is what was found of a package.
func (h *Handler) listing(ctx context.Context, f registryd.Found, d *registry.Device, detail string) (any, error) {
	icons := map[string]*string{}
	told := func(list []registry.Candidate) []registry.Candidate {
		out := make([]registry.Candidate, len(list))
		for i, c := range list {
			v := h.full(ctx, f, c, icons)
			if d != nil && d.Hardware != nil && d.Language != "" {
				v = v.In(d.Language)
			}
			out[i] = registry.Candidate{Exver: c.Exver, Version: v}
		}
		return out
	}
	best, others := told(f.Best), f.Others
	if detail == registry.DetailFull {
		others = told(others)
	}
	l, err := registry.Answer(f.Categories, best, others, detail)
	if err != nil || d == nil || !isOld(d.Version) {
		return l, err
	}
	return forOld(l), nil
}

// isOld tells whether a system reads the one file of a version where it was before there were several.
func isOld(v exver.Plain) bool {
	last, err := exver.ParsePlain("0.4.0-alpha.17")
	return err == nil && v.Compare(last) <= 0
}

type oldAsset struct {
	registry.Asset
	URL string `json:"url"`
}

type oldVersion struct {
	registry.Version
	S9PK     *oldAsset      `json:"s9pk,omitempty"`
	Hardware *s9pk.Hardware `json:"hardwareRequirements,omitempty"`
}

type oldListing struct {
	Categories    []string                   `json:"categories"`
	Best          map[string]oldVersion      `json:"best"`
	OtherVersions map[string]json.RawMessage `json:"otherVersions,omitzero"`
}

func forOld(l registry.Listing) oldListing {
	out := oldListing{Categories: l.Categories, Best: map[string]oldVersion{}, OtherVersions: l.OtherVersions}
	for name, v := range l.Best {
		old := oldVersion{Version: *v}
		if len(v.Files) > 0 {
			old.S9PK = &oldAsset{Asset: v.Files[0].Asset}
			if urls := v.Files[0].Asset.URLs; len(urls) > 0 {
				old.S9PK.URL = urls[0]
			}
			old.Hardware = &v.Files[0].Hardware
		}
		out.Best[name] = old
	}
	return out
}

func (h *Handler) packageSignerList(c call) (any, error) {
	p, err := into[struct {
		ID ids.Package `json:"id"`
	}](c)
	if err != nil {
		return nil, err
	}
	authorized, _ := h.service.Authorized(string(p.ID))
	rows, out := h.service.Signers(), map[string]registry.SignerRange{}
	for id, r := range authorized {
		if row := rows[id]; row != nil {
			out[id] = registry.SignerRange{Signer: registryd.SignerOf(row.GetSpec()), Versions: r}
		}
	}
	return out, nil
}

func (h *Handler) categoryList(call) (any, error) { return h.service.Categories(), nil }

func (h *Handler) osIndex(call) (any, error) { return h.systems(), nil }

// systems are all versions of the system.
func (h *Handler) systems() registry.OSIndex {
	out := registry.OSIndex{Versions: map[string]*registry.OSVersion{}}
	for version, row := range h.service.System(registryd.SystemQuestion{}) {
		out.Versions[version] = registryd.SystemOf(row)
	}
	return out
}

func (h *Handler) osVersionGet(c call) (any, error) {
	p, err := into[struct {
		SourceVersion *exver.Plain `json:"sourceVersion"`
		TargetVersion *exver.Range `json:"targetVersion"`
		Server        *string      `json:"serverId"`
		Platform      *string      `json:"platform"`
	}](c)
	if err != nil {
		return nil, err
	}
	if p.Server != nil && p.Platform != nil && len(*p.Server) <= maxServer {
		version := ""
		if p.SourceVersion != nil {
			version = p.SourceVersion.String()
		} else if c.device != nil {
			version = c.device.Version.String()
		}
		h.service.CheckIn(*p.Server, *p.Platform, version)
	}
	q := registryd.SystemQuestion{Target: p.TargetVersion, Source: p.SourceVersion}
	if c.device != nil && q.Source == nil {
		q.Source = &c.device.Version
	}
	if p.Platform != nil {
		q.Platform = *p.Platform
	}
	out := map[string]*registry.OSVersion{}
	for name, row := range h.service.System(q) {
		out[name] = registryd.SystemOf(row)
	}
	return out, nil
}

func (h *Handler) osSignerList(c call) (any, error) {
	p, err := into[struct {
		Version exver.Plain `json:"version"`
	}](c)
	if err != nil {
		return nil, err
	}
	rows, out := h.service.Signers(), map[string]registry.Signer{}
	for _, id := range h.service.System(registryd.SystemQuestion{})[p.Version.String()].GetSpec().GetAuthorized() {
		if row := rows[id]; row != nil {
			out[id] = registryd.SignerOf(row.GetSpec())
		}
	}
	return out, nil
}

func (h *Handler) assetGet(name string) func(call) (any, error) {
	return func(c call) (any, error) {
		p, err := into[assetParams](c)
		if err != nil {
			return nil, err
		}
		row := h.service.System(registryd.SystemQuestion{})[p.Version.String()]
		if row == nil {
			return nil, notFound("there is no version " + p.Version.String())
		}
		v := registryd.SystemOf(row)
		a, ok := map[string]map[string]registry.OSAsset{"iso": v.ISO, "img": v.IMG, "squashfs": v.Squashfs}[strings.ToLower(name)][p.Platform]
		if !ok {
			return nil, notFound("there is no such image for " + p.Platform)
		}
		return a, nil
	}
}
