package s9pk

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/ids"
)

// Bounds on what a manifest may list, far above any real one.
const (
	maxListed = 256
	maxArch   = 32
	maxURL    = 4096
)

// ParseManifest reads manifest.json of a package, finished or about to be packed. It is lenient with members it does not
// know and strict with those it knows; every error has reason BadManifest.
func ParseManifest(raw []byte) (*Manifest, error) {
	if len(raw) > MaxManifest {
		return nil, refuseMember(TooLarge, PathManifest, fmt.Sprintf("it has more than %d bytes", MaxManifest), nil)
	}
	if err := checkJSON(raw); err != nil {
		return nil, refuseMember(BadManifest, PathManifest, "it is not clean JSON", err)
	}
	m := new(Manifest)
	if err := m.parse(raw); err != nil {
		return nil, refuseMember(BadManifest, PathManifest, "it is not a valid manifest", err)
	}
	return m, nil
}

// UnmarshalJSON reads a manifest that stands inside another document; ParseManifest is the strict way.
func (m *Manifest) UnmarshalJSON(data []byte) error {
	var out Manifest
	if err := out.parse(data); err != nil {
		return err
	}
	*m = out
	return nil
}

func (m *Manifest) parse(raw []byte) error {
	o, err := parseObject(raw)
	if err != nil {
		return err
	}
	m.PackageRepo, m.OSVersion = defaultPackageRepo, plain(CompatibleOS)
	var id string
	var volumes []string
	var images map[string]json.RawMessage
	var dependencies map[string]json.RawMessage

	f := fields{from: o}
	f.need("id", &id)
	f.need("version", &m.Version)
	f.need("canMigrateTo", &m.CanMigrateTo)
	f.need("canMigrateFrom", &m.CanMigrateFrom)
	f.need("title", &m.Title)
	f.need("description", &m.Description)
	f.need("releaseNotes", &m.ReleaseNotes)
	f.may("gitHash", &m.GitHash)
	f.need("license", &m.License)
	f.may("packageRepo", &m.PackageRepo)
	f.need("upstreamRepo", &m.UpstreamRepo)
	f.may("marketingUrl", &m.MarketingURL)
	f.may("donationUrl", &m.DonationURL)
	f.may("osVersion", &m.OSVersion)
	f.may("sdkVersion", &m.SDKVersion)
	f.may("hardwareAcceleration", &m.HardwareAcceleration)
	f.may("userspaceFilesystems", &m.UserspaceFilesystems)
	f.may("virtualNetworking", &m.VirtualNetworking)
	f.may("plugins", &m.Plugins)
	f.may("satisfies", &m.Satisfies)
	f.need("images", &images)
	f.need("volumes", &volumes)
	f.may("dependencies", &dependencies)
	f.may("hardwareRequirements", &m.Hardware)
	f.may("hearth", &m.Hearth)
	if f.err != nil {
		return f.err
	}
	if m.ID, err = ids.ParsePackage(id); err != nil {
		return err
	}
	if err := m.parseVolumes(volumes); err != nil {
		return err
	}
	if err := m.parseImages(images); err != nil {
		return err
	}
	if err := m.parseDependencies(dependencies); err != nil {
		return err
	}
	m.normalise()
	if err := m.checkURLs(); err != nil {
		return err
	}
	return m.checkBounds()
}

// normalise sorts sets and makes absent lists empty, as they are written.
func (m *Manifest) normalise() {
	m.Plugins = set(m.Plugins)
	m.Satisfies = versionSet(m.Satisfies)
	if m.Hardware.Device == nil {
		m.Hardware.Device = []DeviceFilter{}
	}
}

// checkURLs refuses what the original's URL parser would, as far as a reader of the manifest could be misled by it.
func (m *Manifest) checkURLs() error {
	for name, url := range map[string]*string{
		"packageRepo": &m.PackageRepo, "upstreamRepo": &m.UpstreamRepo, "marketingUrl": m.MarketingURL, "donationUrl": m.DonationURL,
	} {
		if url != nil && !hasScheme(*url) {
			return fmt.Errorf("%s: %q is no URL", name, cut(*url))
		}
	}
	return nil
}

func hasScheme(url string) bool {
	scheme, rest, ok := strings.Cut(url, ":")
	if !ok || rest == "" || len(url) > maxURL {
		return false
	}
	for i := 0; i < len(scheme); i++ {
		c := scheme[i] | 0x20 // lower-case, and no change to digits and signs
		if letter := c >= 'a' && c <= 'z'; !letter && (i == 0 || strings.IndexByte("0123456789+-.", scheme[i]) < 0) {
			return false
		}
	}
	return scheme != ""
}

func (m *Manifest) checkBounds() error {
	for name, n := range map[string]int{
		"plugins": len(m.Plugins), "satisfies": len(m.Satisfies), "images": len(m.Images), "volumes": len(m.Volumes),
		"dependencies": len(m.Dependencies), "hardwareRequirements.device": len(m.Hardware.Device),
	} {
		if n > maxListed {
			return fmt.Errorf("%s has more than %d entries", name, maxListed)
		}
	}
	return nil
}

func (m *Manifest) parseVolumes(names []string) error {
	m.Volumes = make([]ids.Volume, 0, len(names))
	for _, name := range set(names) {
		v, err := ids.ParseVolume(name)
		if err != nil {
			return fmt.Errorf("volumes: %w", err)
		}
		m.Volumes = append(m.Volumes, v)
	}
	return nil
}

func (m *Manifest) parseImages(images map[string]json.RawMessage) error {
	m.Images = make(map[ids.Image]Image, len(images))
	for name, raw := range images {
		id, err := ids.ParseImage(name)
		if err != nil {
			return fmt.Errorf("images: %w", err)
		}
		var image Image
		if err := json.Unmarshal(raw, &image); err != nil {
			return fmt.Errorf("images.%s: %w", id, err)
		}
		m.Images[id] = image
	}
	return nil
}

func (m *Manifest) parseDependencies(dependencies map[string]json.RawMessage) error {
	m.Dependencies = make(map[ids.Package]Dependency, len(dependencies))
	for name, raw := range dependencies {
		id, err := ids.ParsePackage(name)
		if err != nil {
			return fmt.Errorf("dependencies: %w", err)
		}
		var d Dependency
		if err := json.Unmarshal(raw, &d); err != nil {
			return fmt.Errorf("dependencies.%s: %w", id, err)
		}
		m.Dependencies[id] = d
	}
	return nil
}

// UnmarshalJSON reads both texts.
func (d *Description) UnmarshalJSON(data []byte) error {
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	f := fields{from: o}
	f.need("short", &d.Short)
	f.need("long", &d.Long)
	return f.err
}

// UnmarshalJSON reads an image; an absent source means packed.
func (i *Image) UnmarshalJSON(data []byte) error {
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	f := fields{from: o}
	f.may("source", &i.Source)
	f.may("arch", &i.Arch)
	f.may("emulateMissingAs", &i.EmulateMissingAs)
	f.may("nvidiaContainer", &i.NvidiaContainer)
	if f.err != nil {
		return f.err
	}
	i.Arch = set(i.Arch)
	if i.EmulateMissingAs != nil {
		return checkArch(append(slices.Clone(i.Arch), *i.EmulateMissingAs))
	}
	return checkArch(i.Arch)
}

// UnmarshalJSON reads "packed", {"dockerTag": …} or {"dockerBuild": …}.
func (s *ImageSource) UnmarshalJSON(data []byte) error {
	var word string
	if err := json.Unmarshal(data, &word); err == nil {
		if word != "packed" {
			return fmt.Errorf("image source %q is unknown", cut(word))
		}
		*s = ImageSource{}
		return nil
	}
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	f := fields{from: o}
	f.may("dockerTag", &s.DockerTag)
	f.may("dockerBuild", &s.DockerBuild)
	if f.err == nil && (s.DockerTag == "") == (s.DockerBuild == nil) {
		return fmt.Errorf("an image source is either dockerTag or dockerBuild")
	}
	return f.err
}

// UnmarshalJSON reads the build instructions.
func (b *DockerBuild) UnmarshalJSON(data []byte) error {
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	f := fields{from: o}
	f.may("workdir", &b.Workdir)
	f.may("dockerfile", &b.Dockerfile)
	f.may("buildArgs", &b.BuildArgs)
	return f.err
}

// UnmarshalJSON reads a dependency.
func (d *Dependency) UnmarshalJSON(data []byte) error {
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	f := fields{from: o}
	f.may("description", &d.Description)
	f.may("optional", &d.Optional)
	f.may("metadata", &d.Metadata)
	f.may("s9pk", &d.S9PK)
	return f.err
}

// UnmarshalJSON reads title and icon.
func (d *DependencyMetadata) UnmarshalJSON(data []byte) error {
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	f := fields{from: o}
	f.need("title", &d.Title)
	f.may("icon", &d.Icon)
	return f.err
}

// UnmarshalJSON reads the requirements.
func (h *Hardware) UnmarshalJSON(data []byte) error {
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	f := fields{from: o}
	f.may("device", &h.Device)
	f.may("ram", &h.RAM)
	f.may("arch", &h.Arch)
	if f.err != nil {
		return f.err
	}
	if h.Arch != nil {
		h.Arch = set(h.Arch)
	}
	return checkArch(h.Arch)
}

// UnmarshalJSON reads a filter. Older packages give no description.
func (d *DeviceFilter) UnmarshalJSON(data []byte) error {
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	f := fields{from: o}
	f.may("description", &d.Description)
	f.need("class", &d.Class)
	f.may("product", &d.Product)
	f.may("vendor", &d.Vendor)
	f.may("capabilities", &d.Capabilities)
	f.may("driver", &d.Driver)
	if d.Capabilities != nil {
		d.Capabilities = set(d.Capabilities)
	}
	return f.err
}

// checkArch holds architecture names against what may be a path segment of the package.
func checkArch(names []string) error {
	if len(names) > maxArch+1 {
		return fmt.Errorf("it lists more than %d architectures", maxArch)
	}
	for _, name := range names {
		if !validArch(name) {
			return fmt.Errorf("%q is no name of an architecture", cut(name))
		}
	}
	return nil
}

func validArch(name string) bool {
	if name == "" || len(name) > maxArch {
		return false
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// set sorts and removes what is double; it answers an empty slice instead of nil, so that it is written as [].
func set(values []string) []string {
	sorted := append([]string{}, values...)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

func versionSet(values []exver.Version) []exver.Version {
	sorted := append([]exver.Version{}, values...)
	slices.SortFunc(sorted, exver.Version.Order)
	return slices.CompactFunc(sorted, exver.Version.Equal)
}
