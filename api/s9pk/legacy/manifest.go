package legacy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/fxamacker/cbor/v2"
	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
)

// Manifest is what a package of StartOS 0.3 says about itself, as far as it has a meaning today.
type Manifest struct {
	ID          string `cbor:"id"`
	Title       string `cbor:"title"`
	Version     string `cbor:"version"`
	EOSVersion  string `cbor:"eos-version"`
	Description struct {
		Short string `cbor:"short"`
		Long  string `cbor:"long"`
	} `cbor:"description"`
	ReleaseNotes  string  `cbor:"release-notes"`
	License       string  `cbor:"license"`
	GitHash       *string `cbor:"git-hash"`
	WrapperRepo   string  `cbor:"wrapper-repo"`
	UpstreamRepo  string  `cbor:"upstream-repo"`
	MarketingSite *string `cbor:"marketing-site"`
	DonationURL   *string `cbor:"donation-url"`
	Assets        struct {
		Icon *string `cbor:"icon"`
	} `cbor:"assets"`
	Main         Procedure             `cbor:"main"`
	HealthChecks map[string]Procedure  `cbor:"health-checks"`
	Config       *Config               `cbor:"config"`
	Properties   *Procedure            `cbor:"properties"`
	Volumes      map[string]Volume     `cbor:"volumes"`
	Backup       Backup                `cbor:"backup"`
	Migrations   Migrations            `cbor:"migrations"`
	Actions      map[string]Action     `cbor:"actions"`
	Dependencies map[string]Dependency `cbor:"dependencies"`
	Hardware     Hardware              `cbor:"hardware-requirements"`
}

// Procedure is how something is run: in an image, or as a function of the script.
type Procedure struct {
	Type            string `cbor:"type"`
	Image           string `cbor:"image"`
	System          bool   `cbor:"system"`
	GPUAcceleration bool   `cbor:"gpu-acceleration"`
}

// Config reads and writes the settings.
type Config struct {
	Get *Procedure `cbor:"get"`
	Set *Procedure `cbor:"set"`
}

// Volume is a volume of some type; those of type "data" are the package's own.
type Volume struct {
	Type string `cbor:"type"`
}

// Backup makes and restores backups.
type Backup struct {
	Create  Procedure `cbor:"create"`
	Restore Procedure `cbor:"restore"`
}

// Migrations run between versions.
type Migrations struct {
	From map[string]Procedure `cbor:"from"`
	To   map[string]Procedure `cbor:"to"`
}

// Action is something a person can have done.
type Action struct {
	Implementation Procedure `cbor:"implementation"`
}

// Dependency is another package that this one needs.
type Dependency struct {
	Version     string `cbor:"version"`
	Requirement struct {
		Type string `cbor:"type"`
	} `cbor:"requirement"`
	Description *string `cbor:"description"`
	Config      *struct {
		Check         *Procedure `cbor:"check"`
		AutoConfigure *Procedure `cbor:"auto-configure"`
	} `cbor:"config"`
}

// Hardware is what the machine must have.
type Hardware struct {
	Device map[string]string `cbor:"device"`
	RAM    *uint64           `cbor:"ram"`
	Arch   []string          `cbor:"arch"`
}

// decoding bounds what a manifest may cost and refuses what two readers could understand differently.
func decoding() (cbor.DecMode, error) {
	return cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: 32, MaxArrayElements: 4096, MaxMapPairs: 4096,
		TagsMd: cbor.TagsForbidden, FieldNameMatching: cbor.FieldNameMatchingCaseSensitive, UTF8: cbor.UTF8RejectInvalid,
		DefaultMapType: nil, IntDec: cbor.IntDecConvertNone,
	}.DecMode()
}

func (f *File) readManifest() error {
	raw, err := f.ReadSection(SectionManifest, MaxText)
	if err != nil {
		return err
	}
	f.manifest, f.raw, err = ParseManifest(raw)
	return err
}

// ParseManifest reads a manifest in CBOR and answers it, too, as the JSON that the code of such packages reads.
func ParseManifest(raw []byte) (*Manifest, []byte, error) {
	if len(raw) > MaxText {
		return nil, nil, refuse(s9pk.TooLarge, SectionManifest, fmt.Sprintf("it has more than %d bytes", MaxText), nil)
	}
	bad := func(err error) (*Manifest, []byte, error) {
		return nil, nil, refuse(s9pk.BadManifest, SectionManifest, "it is not a valid manifest of the first format", err)
	}
	mode, err := decoding()
	if err != nil {
		return bad(err)
	}
	m := new(Manifest)
	if err := mode.Unmarshal(raw, m); err != nil {
		if wrong, ok := errors.AsType[*cbor.UnmarshalTypeError](err); ok {
			field := wrong.StructFieldName
			err = fmt.Errorf("%s cannot be a %s", field[strings.LastIndexByte(field, '.')+1:], wrong.CBORType)
		}
		return bad(err)
	}
	var open any
	if err := mode.Unmarshal(raw, &open); err != nil {
		return bad(err)
	}
	if open, err = plain(open); err != nil {
		return bad(err)
	}
	text, err := json.Marshal(open)
	if err != nil {
		return bad(err)
	}
	if _, err := ids.ParsePackage(m.ID); err != nil {
		return bad(err)
	}
	if missing := m.missing(); missing != "" {
		return bad(fmt.Errorf("%s is missing", missing))
	}
	if _, err := exver.ParseEmver(m.Version); err != nil {
		return bad(fmt.Errorf("version: %w", err))
	}
	return m, text, nil
}

// missing is the first field that every manifest must have and this one lacks; empty for none.
func (m *Manifest) missing() string {
	for _, field := range []struct {
		name string
		has  bool
	}{
		{"title", m.Title != ""}, {"version", m.Version != ""}, {"description", m.Description.Short != ""}, {"license", m.License != ""},
		{"wrapper-repo", m.WrapperRepo != ""}, {"upstream-repo", m.UpstreamRepo != ""}, {"main", m.Main.Type != ""}, {"volumes", m.Volumes != nil},
	} {
		if !field.has {
			return field.name
		}
	}
	return ""
}

// plain makes decoded CBOR what JSON can say.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case map[any]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			name, ok := key.(string)
			if !ok {
				return nil, fmt.Errorf("a key is not text")
			}
			value, err := plain(value)
			if err != nil {
				return nil, err
			}
			out[name] = value
		}
		return out, nil
	case []any:
		for i := range v {
			value, err := plain(v[i])
			if err != nil {
				return nil, err
			}
			v[i] = value
		}
		return v, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("a number is none")
		}
		return v, nil
	case nil, string, bool, uint64, int64:
		return v, nil
	}
	return nil, fmt.Errorf("a value is of a type that JSON lacks")
}

// Manifest answers the manifest. It is shared: do not change it.
func (f *File) Manifest() *Manifest { return f.manifest }

// ManifestJSON answers the manifest as JSON, as the code of the package reads it. It is shared: do not change it.
func (f *File) ManifestJSON() []byte { return f.raw }

// Procedures are all ways in which the package runs something.
func (m *Manifest) procedures() []Procedure {
	all := []Procedure{m.Main, m.Backup.Create, m.Backup.Restore}
	may := func(list ...*Procedure) {
		for _, p := range list {
			if p != nil {
				all = append(all, *p)
			}
		}
	}
	may(m.Properties)
	if m.Config != nil {
		may(m.Config.Get, m.Config.Set)
	}
	for _, list := range []map[string]Procedure{m.HealthChecks, m.Migrations.From, m.Migrations.To} {
		all = slices.AppendSeq(all, maps.Values(list))
	}
	for _, a := range m.Actions {
		all = append(all, a.Implementation)
	}
	for _, d := range m.Dependencies {
		if d.Config != nil {
			may(d.Config.Check, d.Config.AutoConfigure)
		}
	}
	return all
}

// ImageTags are the images the package runs, by id, with the tags they have in the archives of images.
func (m *Manifest) ImageTags() (map[ids.Image]string, error) {
	tags := make(map[ids.Image]string)
	for _, p := range m.procedures() {
		if p.Type != "docker" {
			continue
		}
		id, err := ids.ParseImage(p.Image)
		if err != nil {
			return nil, refuse(s9pk.BadManifest, SectionManifest, "it names an image that can be none", err)
		}
		tags[id] = "start9/" + m.ID + "/" + p.Image + ":" + m.Version
		if p.System {
			tags[id] = "start9/" + p.Image + ":latest"
		}
	}
	return tags, nil
}

// SystemImages are the images among them that StartOS 0.3 had itself, as "compat". A package file may lack them: what they did
// is done by the host of its code.
func (m *Manifest) SystemImages() []ids.Image {
	var list []ids.Image
	own := make(map[string]bool)
	for _, p := range m.procedures() {
		own[p.Image] = own[p.Image] || p.Type == "docker" && !p.System
	}
	for _, p := range m.procedures() {
		if id, err := ids.ParseImage(p.Image); err == nil && p.Type == "docker" && !own[p.Image] && !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}

// newID is the name under which a package goes on; some gave their old one to their successor.
func newID(old string) string {
	switch old {
	case "nostr":
		return "nostr-rs-relay"
	case "ghost", "synapse", "monerod":
		return old + "-legacy"
	case "fedimintd":
		return "fedimint-guardian"
	}
	return old
}

// version is the version of the converted package: some were forks or pre-releases without saying so.
func (m *Manifest) version() (exver.Version, error) {
	v, err := exver.ParseEmver(m.Version)
	if err != nil {
		return v, err
	}
	text := v.String()
	switch m.ID {
	case "bitcoind":
		if strings.Contains(strings.ToLower(m.Title), "knots") {
			text = "#knots:" + text
		}
	case "lnd", "ride-the-lightning", "datum":
		text = strings.Replace(text, ":", "-beta:", 1)
	case "lightning-terminal", "robosats":
		text = strings.Replace(text, ":", "-alpha:", 1)
	}
	return exver.Parse(text)
}

// Convert answers the manifest of the second format. The architectures are those for which there are images; images that are
// absent are system images that the file lacks.
func (m *Manifest) Convert(archs []string, absent ...ids.Image) (*s9pk.Manifest, error) {
	bad := func(err error) (*s9pk.Manifest, error) {
		return nil, refuse(s9pk.BadManifest, SectionManifest, "it cannot be converted", err)
	}
	version, err := m.version()
	if err != nil {
		return bad(err)
	}
	id, err := ids.ParsePackage(newID(m.ID))
	if err != nil {
		return bad(err)
	}
	tags, err := m.ImageTags()
	if err != nil {
		return nil, err
	}
	out := &s9pk.Manifest{
		ID: id, Version: version, CanMigrateTo: exver.None(), CanMigrateFrom: exver.Any(), Title: m.Title + " (Legacy)",
		Description:  s9pk.Description{Short: s9pk.Text(m.Description.Short), Long: s9pk.Text(m.Description.Long)},
		ReleaseNotes: s9pk.Text(m.ReleaseNotes), GitHash: m.GitHash, License: m.License, PackageRepo: m.WrapperRepo,
		UpstreamRepo: m.UpstreamRepo, MarketingURL: m.MarketingSite, DonationURL: m.DonationURL,
		HardwareAcceleration: m.Main.Type == "docker" && m.Main.GPUAcceleration,
		Images:               make(map[ids.Image]s9pk.Image), Dependencies: make(map[ids.Package]s9pk.Dependency),
		Hardware: s9pk.Hardware{RAM: m.Hardware.RAM, Arch: m.Hardware.Arch},
	}
	if out.MarketingURL == nil {
		out.MarketingURL = &m.UpstreamRepo
	}
	if out.OSVersion, err = exver.ParsePlain(m.EOSVersion); err != nil {
		return bad(err)
	}
	for id := range tags {
		if slices.Contains(absent, id) {
			continue
		}
		sorted := slices.Sorted(slices.Values(archs))
		out.Images[id] = s9pk.Image{Arch: sorted}
		// It is for no machine that there are no images for.
		out.Hardware.Arch = slices.DeleteFunc(slices.Clone(sorted), func(arch string) bool {
			return m.Hardware.Arch != nil && !slices.Contains(m.Hardware.Arch, arch)
		})
	}
	if err := m.convertLists(out); err != nil {
		return bad(err)
	}
	// What is written is what a reader would read: sorted, and held against all bounds.
	raw, err := out.Encode()
	if err != nil {
		return bad(err)
	}
	return s9pk.ParseManifest(raw)
}

func (m *Manifest) convertLists(out *s9pk.Manifest) error {
	names := []string{"embassy"}
	for name, v := range m.Volumes {
		if v.Type == "data" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		v, err := ids.ParseVolume(name)
		if err != nil {
			return err
		}
		out.Volumes = append(out.Volumes, v)
	}
	for name, d := range m.Dependencies {
		id, err := ids.ParsePackage(newID(name))
		if err != nil {
			return err
		}
		var description *s9pk.LocaleString
		if d.Description != nil {
			text := s9pk.Text(*d.Description)
			description = &text
		}
		out.Dependencies[id] = s9pk.Dependency{Description: description, Optional: d.Requirement.Type != "required"}
	}
	for _, class := range slices.Sorted(maps.Keys(m.Hardware.Device)) {
		pattern := m.Hardware.Device[class]
		out.Hardware.Device = append(out.Hardware.Device, s9pk.DeviceFilter{
			Class: class, Product: &pattern, Description: fmt.Sprintf("a %s device that matches %q", class, pattern),
		})
	}
	return nil
}

// IconName is the name of the icon in a package of the second format.
func (m *Manifest) IconName() string {
	if m.Assets.Icon != nil {
		if i := strings.LastIndexByte(*m.Assets.Icon, '.'); i >= 0 {
			if name := "icon" + (*m.Assets.Icon)[i:]; s9pk.IconType(name) != "" {
				return name
			}
		}
	}
	return "icon.png"
}
