package registry

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/registry"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
)

// What a registry may tell of one package.
const (
	maxPackages   = 20000
	maxVersions   = 1000
	maxFiles      = 64
	maxPlaces     = 64
	maxPlace      = 2048
	maxSignatures = 64
	maxCategories = 64
	maxText       = 8 << 10
	maxKept       = 64 << 20 // of all packages, of what is shown
)

// catalogue is what a registry had a short time ago, without icons.
type catalogue struct {
	offers []*registriesv1.Offer // by id of the package
	until  time.Time
}

// Search is what is looked for.
type Search struct {
	Registry, Query, Category, Language string
	After                               string // id of an offer after which to begin: package and registry
	Limit                               int
}

// Failure is a registry that did not answer.
type Failure struct {
	Registry string
	Err      error
}

// Search finds packages that this machine can run, by id, and tells which registries did not answer. When none of those
// asked does, it is the error of the first.
func (s *Service) Search(ctx context.Context, q Search) (found []*registriesv1.Offer, more bool, failures []Failure, err error) {
	rows, err := s.asked(q.Registry)
	if err != nil {
		return nil, false, nil, err
	}
	var all []*registriesv1.Offer
	for _, row := range rows {
		offers, err := s.catalogue(ctx, row, q.Language)
		if err != nil {
			failures = append(failures, Failure{row.GetMeta().GetId(), err})
			continue
		}
		all = append(all, offers...)
	}
	if len(failures) == len(rows) {
		return nil, false, nil, failures[0].Err
	}
	words := strings.Fields(strings.ToLower(q.Query))
	all = slices.DeleteFunc(all, func(o *registriesv1.Offer) bool { return !matches(o, words, q.Category) || OfferID(o) <= q.After })
	slices.SortFunc(all, func(a, b *registriesv1.Offer) int { return strings.Compare(OfferID(a), OfferID(b)) })
	if len(all) > q.Limit {
		all, more = all[:q.Limit], true
	}
	return all, more, failures, s.tellInstalled(all)
}

// OfferID is the place of an offer in the order of a search.
func OfferID(o *registriesv1.Offer) string { return o.GetPackageId() + "/" + o.GetRegistry() }

// asked are the registries that are meant: one, or all.
func (s *Service) asked(id string) ([]*registriesv1.Registry, error) {
	if id != "" {
		row, err := s.get(id)
		return []*registriesv1.Registry{row}, err
	}
	rows, err := s.List()
	if err == nil && len(rows) == 0 {
		err = fault.New(metav1.Reason_REASON_REGISTRY_NOT_FOUND, "there is no registry; 'hearth registry add URL' adds one")
	}
	return rows, err
}

func matches(o *registriesv1.Offer, words []string, category string) bool {
	if category != "" && !slices.Contains(o.GetCategories(), category) {
		return false
	}
	text := o.GetPackageId()
	for _, v := range o.GetBest() {
		text += "\n" + v.GetTitle() + "\n" + v.GetShortDescription() + "\n" + v.GetLongDescription()
	}
	text = strings.ToLower(text)
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// catalogue is what a registry has, asked for at most once in a while. Callers get copies of what they may change.
func (s *Service) catalogue(ctx context.Context, row *registriesv1.Registry, language string) ([]*registriesv1.Offer, error) {
	key := row.GetMeta().GetId() + " " + language
	s.mu.Lock()
	have, ok := s.kept[key]
	s.mu.Unlock()
	if !ok || s.clock().After(have.until) {
		client, err := s.source(row, language)
		if err != nil {
			return nil, err
		}
		have = catalogue{until: s.clock().Add(keptFor)}
		packages, size := 0, 0
		err = client.All(ctx, func(id string, l registry.Listing) error {
			o, ok := s.offer(row.GetMeta().GetId(), id, l, language, false)
			if ok {
				have.offers = append(have.offers, o)
				size += proto.Size(o)
			}
			if packages++; packages > maxPackages || size > maxKept {
				return invalid(row, "it tells of more than %d packages, or more of them than %d bytes", maxPackages, maxKept)
			}
			return nil
		})
		if err != nil {
			return nil, told(row, err)
		}
		s.keep(key, have)
	}
	out := make([]*registriesv1.Offer, len(have.offers))
	for i, o := range have.offers {
		out[i] = &registriesv1.Offer{Registry: o.Registry, PackageId: o.PackageId, Categories: o.Categories, Best: o.Best, OtherVersions: o.OtherVersions}
	}
	return out, nil
}

// keep remembers a catalogue for a while. An empty one costs nothing to ask for, and somebody may be about to fill it.
func (s *Service) keep(key string, have catalogue) {
	if len(have.offers) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) >= keptMost {
		clear(s.kept)
	}
	s.kept[key] = have
}

// offer is what a registry told of a package, as far as it makes sense and is for this machine. With whole everything is
// told of its best versions, else what a list shows.
func (s *Service) offer(reg, id string, l registry.Listing, language string, whole bool) (*registriesv1.Offer, bool) {
	if _, err := ids.ParsePackage(id); err != nil || len(l.Best)+len(l.OtherVersions) > maxVersions || len(l.Categories) > maxCategories {
		return nil, false
	}
	o := &registriesv1.Offer{Registry: reg, PackageId: id}
	for _, c := range l.Categories {
		o.Categories = append(o.Categories, brief(c, 63))
	}
	best, others := registry.Choose(registry.Candidates(l.Best), registry.Question{Device: s.device(language)})
	for _, c := range best {
		o.Best = append(o.Best, versionOf(c, language, whole))
	}
	var rest []exver.Version
	for _, c := range others {
		rest = append(rest, c.Exver)
	}
	for name := range l.OtherVersions {
		if v, err := exver.Parse(name); err == nil {
			rest = append(rest, v)
		}
	}
	slices.SortFunc(rest, func(a, b exver.Version) int { return b.Order(a) })
	for _, v := range rest {
		o.OtherVersions = append(o.OtherVersions, v.String())
	}
	return o, len(o.Best) > 0
}

func versionOf(c registry.Candidate, language string, whole bool) *registriesv1.OfferVersion {
	v := c.Version
	out := &registriesv1.OfferVersion{Version: c.Exver.String(), Title: brief(v.Title, 200), ShortDescription: brief(v.Description.Short.In(language), 500), LongDescription: brief(v.Description.Long.In(language), maxText)}
	if !whole {
		return out
	}
	out.ReleaseNotes, out.License = brief(v.ReleaseNotes.In(language), maxText), brief(v.License, 200)
	out.PackageRepo, out.UpstreamRepo = brief(v.PackageRepo, 2048), brief(v.UpstreamRepo, 2048)
	if v.MarketingURL != nil {
		out.MarketingUrl = brief(*v.MarketingURL, 2048)
	}
	for _, id := range slices.Sorted(maps.Keys(v.DependencyMetadata)) {
		if len(out.Dependencies) < maxVersions {
			out.Dependencies = append(out.Dependencies, brief(string(id), 63))
		}
	}
	if len(v.Files) > 0 {
		asset := v.Files[0].Asset
		out.Published = asset.PublishedAt.UTC().Format(time.RFC3339)
		for _, key := range slices.Sorted(maps.Keys(asset.Signatures)) {
			if len(out.Signers) < maxSignatures {
				out.Signers = append(out.Signers, brief(key, 200))
			}
		}
		for _, place := range asset.URLs {
			if len(out.Urls) < maxPlaces {
				out.Urls = append(out.Urls, brief(place, maxPlace))
			}
		}
	}
	return out
}

// tellInstalled adds which versions are installed.
func (s *Service) tellInstalled(offers []*registriesv1.Offer) error {
	return s.store.View(func(tx *store.Tx) error {
		for _, o := range offers {
			row, _, err := store.Lookup[*packagesv1.Package](tx, o.GetPackageId())
			if err != nil {
				return err
			}
			o.InstalledVersion = row.GetSpec().GetVersion()
		}
		return nil
	})
}

// Offer tells what a registry has of a package; of all registries the first that has it.
func (s *Service) Offer(ctx context.Context, reg, pkg, version, language string) (*registriesv1.Offer, error) {
	target, err := targetOf(version)
	if err != nil {
		return nil, err
	}
	detail := registry.DetailShort
	row, l, err := s.listing(ctx, reg, language, registry.GetParams{ID: &pkg, TargetVersion: target, OtherVersions: &detail})
	if err != nil {
		return nil, err
	}
	o, _ := s.offer(row.GetMeta().GetId(), pkg, l, language, true)
	if o == nil {
		return nil, fault.New(metav1.Reason_REASON_REGISTRY_INVALID, "what the registry %q tells of %q makes no sense", row.GetMeta().GetId(), pkg)
	}
	return o, s.tellInstalled([]*registriesv1.Offer{o})
}

// targetOf reads a version or a range of versions; nil for none.
func targetOf(version string) (*exver.Range, error) {
	if version == "" {
		return nil, nil
	}
	if v, err := exver.Parse(version); err == nil {
		r := exver.Exactly(v)
		return &r, nil
	}
	r, err := exver.ParseRange(version)
	if err != nil {
		return nil, fault.New(metav1.Reason_REASON_INVALID_ARGUMENT, "%q is neither a version nor a range of versions: %w", version, err).Violation("version", "must be one")
	}
	return &r, nil
}

// listing asks a registry for a package, or one after the other until one has it.
func (s *Service) listing(ctx context.Context, reg, language string, p registry.GetParams) (*registriesv1.Registry, registry.Listing, error) {
	rows, err := s.asked(reg)
	if err != nil {
		return nil, registry.Listing{}, err
	}
	var failed error
	for _, row := range rows {
		client, err := s.source(row, language)
		if err != nil {
			return nil, registry.Listing{}, err
		}
		l, err := client.Get(ctx, p)
		if err != nil {
			failed = cmp.Or(failed, told(row, err))
			continue
		}
		if best, _ := registry.Choose(registry.Candidates(l.Best), registry.Question{Target: p.TargetVersion, Device: s.device(language)}); len(best) > 0 {
			return row, l, nil
		}
	}
	if failed != nil {
		return nil, registry.Listing{}, failed
	}
	return nil, registry.Listing{}, fault.New(metav1.Reason_REASON_OFFER_NOT_FOUND, "no registry has %q in a version that will do", *p.ID).With("package", *p.ID)
}

// Categories lists the categories of a registry.
func (s *Service) Categories(ctx context.Context, reg, language string) ([]*registriesv1.OfferCategory, error) {
	row, err := s.get(reg)
	if err != nil {
		return nil, err
	}
	client, err := s.source(row, language)
	if err != nil {
		return nil, err
	}
	info, err := client.Info(ctx)
	if err != nil {
		return nil, told(row, err)
	}
	var list []*registriesv1.OfferCategory
	for _, id := range slices.Sorted(maps.Keys(info.Categories)) {
		if len(list) < maxVersions {
			list = append(list, &registriesv1.OfferCategory{Id: brief(id, 63), Name: brief(info.Categories[id].Name.In(language), 200)})
		}
	}
	return list, nil
}
