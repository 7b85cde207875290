package s9pk

import (
	"encoding/json"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/ids"
)

// MaxManifest bounds manifest.json.
const MaxManifest = 1 << 20

// CompatibleOS is the version of StartOS whose packages run here; a package made for a later one is refused.
const CompatibleOS = "0.4.0-beta.10"

const defaultPackageRepo = "https://example.com/"

// Manifest describes a package. Members it does not know are ignored when reading and lost when writing; File.ManifestJSON
// keeps them. Sets are sorted. Texts are foreign and not escaped; a URL has some scheme, which need not be that of a web page.
//
// Its JSON form has the members in this order, which is the original's, and ours behind them.
type Manifest struct {
	ID             ids.Package   `json:"id"`
	Version        exver.Version `json:"version"`
	CanMigrateTo   exver.Range   `json:"canMigrateTo"`
	CanMigrateFrom exver.Range   `json:"canMigrateFrom"`
	Title          string        `json:"title"`
	Description    Description   `json:"description"`
	ReleaseNotes   LocaleString  `json:"releaseNotes"`
	GitHash        *string       `json:"gitHash"`
	License        string        `json:"license"`
	PackageRepo    string        `json:"packageRepo"`
	UpstreamRepo   string        `json:"upstreamRepo"`
	MarketingURL   *string       `json:"marketingUrl"`
	DonationURL    *string       `json:"donationUrl"`
	// OSVersion is the system the package was made for; absent means any, and is read as CompatibleOS.
	OSVersion  exver.Plain  `json:"osVersion"`
	SDKVersion *exver.Plain `json:"sdkVersion"`
	// The three device abilities: GPUs, /dev/fuse and /dev/net/tun.
	HardwareAcceleration bool                       `json:"hardwareAcceleration"`
	UserspaceFilesystems bool                       `json:"userspaceFilesystems"`
	VirtualNetworking    bool                       `json:"virtualNetworking"`
	Plugins              []string                   `json:"plugins"`
	Satisfies            []exver.Version            `json:"satisfies"`
	Images               map[ids.Image]Image        `json:"images"`
	Volumes              []ids.Volume               `json:"volumes"`
	Dependencies         map[ids.Package]Dependency `json:"dependencies"`
	Hardware             Hardware                   `json:"hardwareRequirements"`
	// Hearth is what is not shared with the original.
	Hearth *Declared `json:"hearth,omitempty"`
}

// Description is what the package is, in one sentence and in several.
type Description struct {
	Short LocaleString `json:"short"`
	Long  LocaleString `json:"long"`
}

// Image says for which architectures an image of the package exists. Source is a build-time matter: in a finished package
// it is always packed.
type Image struct {
	Source           ImageSource `json:"source"`
	Arch             []string    `json:"arch"`
	EmulateMissingAs *string     `json:"emulateMissingAs"`
	NvidiaContainer  bool        `json:"nvidiaContainer"`
}

// ImageSource tells a packer where an image comes from. The zero value is packed.
type ImageSource struct {
	DockerTag   string
	DockerBuild *DockerBuild
}

// DockerBuild asks for an image to be built.
type DockerBuild struct {
	Workdir    *string             `json:"workdir"`
	Dockerfile *string             `json:"dockerfile"`
	BuildArgs  map[string]BuildArg `json:"buildArgs,omitempty"`
}

// BuildArg is a value, or the name of an environment variable of the packer that holds it.
type BuildArg struct{ Value, Env string }

// Dependency is another package this one uses. Metadata and S9PK exist only before packing: they tell the packer where
// title and icon of the dependency come from, and it removes them.
type Dependency struct {
	Description *LocaleString       `json:"description"`
	Optional    bool                `json:"optional"`
	Metadata    *DependencyMetadata `json:"metadata,omitempty"`
	S9PK        *string             `json:"s9pk,omitempty"`
}

// DependencyMetadata is the build-time title of a dependency and a path or URL of its icon.
type DependencyMetadata struct {
	Title LocaleString `json:"title"`
	Icon  string       `json:"icon"`
}

// Hardware is what the package asks of the machine. RAM is in bytes; a nil Arch means any.
type Hardware struct {
	Device []DeviceFilter `json:"device"`
	RAM    *uint64        `json:"ram"`
	Arch   []string       `json:"arch"`
}

// DeviceFilter is satisfied by a device of its class whose product and vendor match the regular expressions (RE2 syntax,
// unanchored), which has all capabilities and runs under the driver. The expressions are not compiled here.
type DeviceFilter struct {
	Description  string   `json:"description"`
	Class        string   `json:"class"`
	Product      *string  `json:"product"`
	Vendor       *string  `json:"vendor"`
	Capabilities []string `json:"capabilities"`
	Driver       *string  `json:"driver"`
}

// AllowsArch tells whether the package may run on an architecture.
func (h Hardware) AllowsArch(arch string) bool {
	if h.Arch == nil {
		return true
	}
	for _, a := range h.Arch {
		if a == arch {
			return true
		}
	}
	return false
}

// oldestOS is the first version of StartOS whose packages run here, converted from its format of files.
const oldestOS = "0.3.0"

// ForOldOS tells whether a package was made for a StartOS before 0.3, whose packages had yet other code.
func (m *Manifest) ForOldOS() bool {
	return m.SDKVersion == nil && m.OSVersion.Compare(plain(oldestOS)) < 0
}

// CheckOSVersion refuses a package made for a later system than the one this one stands in for.
func (m *Manifest) CheckOSVersion() error {
	if m.OSVersion.Compare(plain(CompatibleOS)) > 0 {
		return refuseMember(NewerOS, PathManifest,
			"it was made for StartOS "+m.OSVersion.String()+", this system runs packages made for up to "+CompatibleOS, nil)
	}
	return nil
}

// plain is a version that is a constant.
func plain(text string) exver.Plain {
	v, err := exver.ParsePlain(text)
	if err != nil {
		panic(err)
	}
	return v
}

// Encode writes the manifest as the original does: compact, in the order above.
func (m *Manifest) Encode() ([]byte, error) { return encodeJSON(m) }

// MarshalJSON writes the source as packages do.
func (s ImageSource) MarshalJSON() ([]byte, error) {
	switch {
	case s.DockerBuild != nil:
		return encodeJSON(map[string]*DockerBuild{"dockerBuild": s.DockerBuild})
	case s.DockerTag != "":
		return encodeJSON(map[string]string{"dockerTag": s.DockerTag})
	}
	return []byte(`"packed"`), nil
}

// Packed tells whether the image is inside the package.
func (s ImageSource) Packed() bool { return s.DockerBuild == nil && s.DockerTag == "" }

// MarshalJSON writes a string or {"env": name}.
func (a BuildArg) MarshalJSON() ([]byte, error) {
	if a.Env != "" {
		return encodeJSON(map[string]string{"env": a.Env})
	}
	return encodeJSON(a.Value)
}

// UnmarshalJSON reads a string or {"env": name}.
func (a *BuildArg) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &a.Value); err == nil {
		return nil
	}
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	f := fields{from: o}
	f.need("env", &a.Env)
	return f.err
}
