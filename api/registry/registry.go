// Package registry is the protocol by which packages are published and found: version 0, which registries and systems of
// StartOS speak, JSON-RPC over HTTP with signed requests.
//
//	registry.go  what registries tell: packages, versions, files, signers
//	device.go    the machine that packages are to run on, and which files are for it
//	choose.go    which versions are the best
//	client.go    calls
//
// Server and client share these shapes and decisions, so that a client can repeat the choice of a registry that it does not
// trust. The package trusts nothing that it reads: texts are foreign, numbers may be absurd; what a registry says of a file
// is worth only what package s9pk finds in it. It keeps nothing.
package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/api/s9pk"
	"github.com/hearthos/hearth/api/sign"
)

// Info is what a registry tells of itself.
type Info struct {
	Name       *string             `json:"name"`
	Icon       *string             `json:"icon"` // a data URL
	Categories map[string]Category `json:"categories"`
}

// Category is a kind of packages.
type Category struct {
	Name s9pk.LocaleString `json:"name"`
}

// Index is everything that a registry has.
type Index struct {
	Name    *string           `json:"name"`
	Icon    *string           `json:"icon"`
	Package PackageIndex      `json:"package"`
	OS      OSIndex           `json:"os"`
	Signers map[string]Signer `json:"signers"`
}

// PackageIndex are all packages.
type PackageIndex struct {
	Categories map[string]Category `json:"categories"`
	Packages   map[string]Package  `json:"packages"`
}

// Package is what there is of one package.
type Package struct {
	Authorized map[string]exver.Range `json:"authorized"` // by id of the signer
	Versions   map[string]*Version    `json:"versions"`
	Categories []string               `json:"categories"`
}

// Metadata are the members of a manifest that a catalogue shows.
type Metadata struct {
	Title                string            `json:"title"`
	Description          s9pk.Description  `json:"description"`
	ReleaseNotes         s9pk.LocaleString `json:"releaseNotes"`
	GitHash              *string           `json:"gitHash"`
	License              string            `json:"license"`
	PackageRepo          string            `json:"packageRepo"`
	UpstreamRepo         string            `json:"upstreamRepo"`
	MarketingURL         *string           `json:"marketingUrl"`
	DonationURL          *string           `json:"donationUrl"`
	OSVersion            exver.Plain       `json:"osVersion"`
	SDKVersion           *exver.Plain      `json:"sdkVersion"`
	HardwareAcceleration bool              `json:"hardwareAcceleration"`
	UserspaceFilesystems bool              `json:"userspaceFilesystems"`
	VirtualNetworking    bool              `json:"virtualNetworking"`
	Plugins              []string          `json:"plugins"`
	Satisfies            []exver.Version   `json:"satisfies"`
}

// MetadataOf takes them out of a manifest.
func MetadataOf(m *s9pk.Manifest) Metadata {
	d := Metadata{
		Title: m.Title, Description: m.Description, ReleaseNotes: m.ReleaseNotes, GitHash: m.GitHash, License: m.License,
		PackageRepo: m.PackageRepo, UpstreamRepo: m.UpstreamRepo, MarketingURL: m.MarketingURL, DonationURL: m.DonationURL,
		OSVersion: m.OSVersion, SDKVersion: m.SDKVersion, HardwareAcceleration: m.HardwareAcceleration,
		UserspaceFilesystems: m.UserspaceFilesystems, VirtualNetworking: m.VirtualNetworking, Plugins: m.Plugins, Satisfies: m.Satisfies,
	}
	if d.Plugins == nil {
		d.Plugins = []string{}
	}
	if d.Satisfies == nil {
		d.Satisfies = []exver.Version{}
	}
	return d
}

// Version is one version of a package.
type Version struct {
	Metadata
	Icon               string                     `json:"icon"` // a data URL
	DependencyMetadata map[ids.Package]Dependency `json:"dependencyMetadata"`
	SourceVersion      *exver.Range               `json:"sourceVersion"`
	Files              []File                     `json:"s9pks"`
}

// Dependency is what a version shows of a package that it uses.
type Dependency struct {
	Title       *s9pk.LocaleString `json:"title"`
	Icon        *string            `json:"icon"`
	Description *s9pk.LocaleString `json:"description"`
	Optional    bool               `json:"optional"`
}

// File is a file with what it asks of the machine; in JSON an array of both.
type File struct {
	Hardware s9pk.Hardware
	Asset    Asset
}

// MarshalJSON writes the pair.
func (f File) MarshalJSON() ([]byte, error) { return json.Marshal([2]any{f.Hardware, f.Asset}) }

// UnmarshalJSON reads the pair.
func (f *File) UnmarshalJSON(data []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(data, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return errors.New("a file is not a pair of requirements and asset")
	}
	return errors.Join(json.Unmarshal(pair[0], &f.Hardware), json.Unmarshal(pair[1], &f.Asset))
}

// Asset is a package file as registries list it.
type Asset struct {
	PublishedAt time.Time         `json:"publishedAt"`
	URLs        []string          `json:"urls"`
	Commitment  s9pk.Commitment   `json:"commitment"`
	Signatures  map[string]string `json:"signatures"` // both PEM
}

// Verify checks every signature that is listed over the commitment; none at all is a refusal. It answers the keys.
func (a Asset) Verify() ([]sign.PublicKey, error) {
	if len(a.Signatures) == 0 {
		return nil, errors.New("nobody has signed it")
	}
	var keys []sign.PublicKey
	for key, signature := range a.Signatures {
		k, err := sign.ParsePublicKey(key)
		if err != nil {
			return nil, err
		}
		s, err := sign.ParseSignature(signature)
		if err != nil {
			return nil, err
		}
		if err := k.Verify(sign.ContextPackage, a.Commitment.Message(), s); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// SignedBy tells whether a key is among those that signed, as it is listed.
func (a Asset) SignedBy(key sign.PublicKey) bool {
	for listed := range a.Signatures {
		if k, err := sign.ParsePublicKey(listed); err == nil && k == key {
			return true
		}
	}
	return false
}

// OnlyBy is the asset as one of those who signed it lists it: a file that another of them signed is no longer it. It is the
// asset itself where that key did not sign.
func (a Asset) OnlyBy(key sign.PublicKey) Asset {
	for listed, signature := range a.Signatures {
		if k, err := sign.ParsePublicKey(listed); err == nil && k == key {
			a.Signatures = map[string]string{listed: signature}
			break
		}
	}
	return a
}

// Signer is somebody who signs.
type Signer struct {
	Name    string    `json:"name"`
	Contact []Contact `json:"contact"`
	Keys    []string  `json:"keys"` // PEM
}

// Contact is where somebody can be reached: one of the members is given.
type Contact struct {
	Email   string `json:"email,omitempty"`
	Matrix  string `json:"matrix,omitempty"`
	Website string `json:"website,omitempty"`
}

// SignerRange is a signer with the versions that he may publish; in JSON an array of both.
type SignerRange struct {
	Signer   Signer
	Versions exver.Range
}

// MarshalJSON writes the pair.
func (r SignerRange) MarshalJSON() ([]byte, error) { return json.Marshal([2]any{r.Signer, r.Versions}) }

// UnmarshalJSON reads the pair.
func (r *SignerRange) UnmarshalJSON(data []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(data, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return errors.New("a signer is not a pair of signer and range")
	}
	return errors.Join(json.Unmarshal(pair[0], &r.Signer), json.Unmarshal(pair[1], &r.Versions))
}

// OSIndex are all versions of the system.
type OSIndex struct {
	Versions map[string]*OSVersion `json:"versions"`
}

// OSVersion is a version of the system. Its images are by platform.
type OSVersion struct {
	Headline      string             `json:"headline"`
	ReleaseNotes  string             `json:"releaseNotes"`
	SourceVersion exver.Range        `json:"sourceVersion"`
	Authorized    []string           `json:"authorized"`
	ISO           map[string]OSAsset `json:"iso"`
	Squashfs      map[string]OSAsset `json:"squashfs"`
	IMG           map[string]OSAsset `json:"img"`
}

// OSAsset is an image of the system.
type OSAsset struct {
	PublishedAt time.Time         `json:"publishedAt"`
	URLs        []string          `json:"urls"`
	Commitment  FileCommitment    `json:"commitment"`
	Signatures  map[string]string `json:"signatures"`
}

// FileCommitment identifies any file: its BLAKE3, as base64 without padding, and its size.
type FileCommitment struct {
	Hash string `json:"hash"`
	Size uint64 `json:"size"`
}

// GetParams ask for packages.
type GetParams struct {
	ID            *string        `json:"id,omitempty"`
	TargetVersion *exver.Range   `json:"targetVersion,omitempty"`
	SourceVersion *exver.Version `json:"sourceVersion,omitempty"`
	OtherVersions *string        `json:"otherVersions,omitempty"` // one of the details
}

// How much is told of the versions that are not the best.
const (
	DetailNone  = "none"
	DetailShort = "short" // also where nothing is said
	DetailFull  = "full"
)

// Listing is what a registry answers for one package.
type Listing struct {
	Categories    []string                   `json:"categories"`
	Best          map[string]*Version        `json:"best"`
	OtherVersions map[string]json.RawMessage `json:"otherVersions,omitzero"` // with DetailShort {"releaseNotes"}, with DetailFull versions; nil with DetailNone
}

// AddParams list a file.
type AddParams struct {
	URLs       []string        `json:"urls"`
	Commitment s9pk.Commitment `json:"commitment"`
	Signature  string          `json:"signature"`
}

// AddMirrorParams list a further URL.
type AddMirrorParams struct {
	URL        string          `json:"url"`
	Commitment s9pk.Commitment `json:"commitment"`
	Signature  string          `json:"signature"`
}

// Error is a refusal of a registry.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Details string `json:"-"`
}

func (e *Error) Error() string {
	if e.Details != "" && e.Details != e.Message {
		return fmt.Sprintf("%s: %s (code %d)", e.Message, e.Details, e.Code)
	}
	return fmt.Sprintf("%s (code %d)", e.Message, e.Code)
}

// Codes of refusals.
const (
	CodeParse          = -32700
	CodeInvalidRequest = -32600
	CodeNoMethod       = -32601
	CodeParams         = -32602
	CodeInternal       = -32603

	CodeNotFound     = 6
	CodeNetwork      = 9
	CodePackageParse = 18
	CodePackage      = 24
	CodeSignature    = 31
	CodeUnauthorized = 34
	CodeRateLimited  = 37
	CodeRequest      = 38
)
