// Package effects answers what the code of a package asks of its host: it implements hearth.effects.v1 for every
// service container. The JSON shapes are those of StartOS packages and appear nowhere else in the server.
//
// The caller of a method is the package whose socket the call came in on; no message says who is calling. A package
// reaches itself and the packages its manifest declares a dependency on; everything else is EFFECT_DENIED and recorded, or
// recorded and let through where people chose a lenient policy for the package. What this release does not have is
// refused by name and recorded, never answered with a made-up value.
//
// Values a package can watch are read in one view of the store and named by an etag; Await waits until the value has
// another one. The host remembers no callbacks: a package that waits calls Await again when the daemon was away.
package effects

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/api/abi"
	"github.com/hearthos/hearth/api/exver"
	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
)

// Data keeps the versions of packages' data.
type Data interface {
	// Version reads the version of a package's data, "" where there is none.
	Version(pkg ids.Package) (string, error)
	// SetVersion records it; "" deletes the record.
	SetVersion(pkg ids.Package, version string) error
}

// Desires changes what is wanted of a service, in the caller's transaction.
type Desires interface {
	StopIn(tx *store.Tx, pkg string) error
	RestartIn(tx *store.Tx, pkg string) error
	// RebuildIn has the container made anew.
	RebuildIn(tx *store.Tx, pkg string) error
}

// Containers changes the file system of a running service container.
type Containers interface {
	// CreateSubcontainer makes a root file system from an image and returns its path inside and its guid.
	CreateSubcontainer(ctx context.Context, pkg, image, name string) (path, guid string, err error)
	// DestroySubcontainer removes it again; an unknown guid is no error.
	DestroySubcontainer(ctx context.Context, pkg, guid string) error
	// MountVolume mounts a volume of a package at a path inside the caller's container.
	MountVolume(ctx context.Context, pkg string, m VolumeMount) error
}

// VolumeMount says which part of which volume is mounted where.
type VolumeMount struct {
	Location, Package, Volume, Subpath string
	ReadOnly                           bool
	IDMap                              []IDRange
}

// IDRange maps a range of user ids of a volume to other ids inside the container.
type IDRange struct {
	From  uint32 `json:"fromId"`
	To    uint32 `json:"toId"`
	Count uint32 `json:"range"`
}

// Hosts keeps bindings and interfaces. All writes are in the caller's transaction.
type Hosts interface {
	Look()
	Bind(tx *store.Tx, pkg, hostID string, internalPort, preferred uint32, addSSL *hostsv1.AddSsl, secure *hostsv1.Secure) error
	KeepSecrets(tx *store.Tx, pkg, hostID string, internalPort uint32, known *hostsv1.GateCredentials) error
	BindRange(tx *store.Tx, pkg, hostID string, first, outside, n uint32) error
	ClearBindings(tx *store.Tx, pkg string, except []abi.BindID) error
	ExportInterface(tx *store.Tx, pkg string, e abi.Exported) error
	ExportRange(tx *store.Tx, pkg, host string, first uint32, i *hostsv1.RangeInterface) error
	ClearInterfaces(tx *store.Tx, pkg string, except []string) error
	// RegisterPlugin, Supply and ClearSupplied are for packages that supply addresses to others.
	RegisterPlugin(tx *store.Tx, pkg, tableAction string) error
	Supply(tx *store.Tx, v abi.PluginHostname, address *hostsv1.SuppliedAddress) error
	ClearSupplied(tx *store.Tx, pkg string, except []abi.PluginHostname) error
	// Outbound is the gateway through which connections leave the machine, "" where there is none.
	Outbound() string
	// HostJSON, PortsJSON, InterfaceJSON and InterfacesJSON are what packages see; null where there is no such thing.
	HostJSON(tx *store.Tx, pkg, host string) ([]byte, error)
	PortsJSON(tx *store.Tx, pkg, host string, internalPort uint32) ([]byte, error)
	InterfaceJSON(tx *store.Tx, pkg, id string) ([]byte, error)
	InterfacesJSON(tx *store.Tx, pkg string) ([]byte, error)
}

// Certificates makes certificates of the server's own root, and refuses names they may not be for.
type Certificates interface {
	// Chain returns leaf, intermediate and root, PEM. algorithm is ecdsa or ed25519.
	Chain(tx *store.Tx, pkg string, names []string, algorithm string) ([]string, error)
	// Key returns the key of the leaf, PEM; only for the package's own names.
	Key(tx *store.Tx, pkg string, names []string, algorithm string) (string, error)
}

// Notifications tells people something.
type Notifications interface {
	Tell(ctx context.Context, now time.Time, pkg string, level, title, message, data string) error
}

// Mail knows how packages send mail.
type Mail interface {
	// SMTPIn answers how with the password, "" where there is none; nil where nothing is set.
	SMTPIn(tx *store.Tx) (*systemv1.SmtpSpec, string, error)
}

// Progress shows how far the init of a package is, or its part of a backup.
type Progress interface {
	Report(pkg string, done, total uint64, units, message string)
}

// Deps is what the area needs of others.
type Deps struct {
	Store         *store.Store
	Log           *slog.Logger
	Clock         func() time.Time
	Data          Data
	Desires       Desires
	Containers    Containers
	Hosts         Hosts
	Certificates  Certificates
	Progress      Progress
	Notifications Notifications
	Mail          Mail
	Actions       Actions
	// BridgeIP is the server's own address on the bridge.
	BridgeIP string
}

// Service is the area. It is safe for concurrent use and implements EffectsServiceServer.
type Service struct {
	effectsv1.UnimplementedEffectsServiceServer
	Deps
	watchables map[string]watchable
}

// New returns the area.
func New(d Deps) *Service {
	s := &Service{Deps: d}
	s.watchables = s.makeWatchables()
	return s
}

type callerKey struct{}

// WithCaller returns a context for calls of the package whose socket they came in on.
func WithCaller(ctx context.Context, pkg string) context.Context {
	return context.WithValue(ctx, callerKey{}, &call{pkg: pkg})
}

// caller is the package that calls. A context without one is a defect of the wiring, and is denied.
func caller(ctx context.Context) (string, error) {
	c, ok := ctx.Value(callerKey{}).(*call)
	if !ok || c.pkg == "" {
		return "", fault.New(metav1.Reason_REASON_PERMISSION_DENIED, "only service containers may call effects")
	}
	return c.pkg, nil
}

// update runs fn in a transaction for the calling package.
func (s *Service) update(ctx context.Context, fn func(tx *store.Tx, pkg string) error) error {
	pkg, err := caller(ctx)
	if err != nil {
		return err
	}
	_, err = s.Store.Update(ctx, s.Clock(), func(tx *store.Tx) error { return fn(tx, pkg) })
	return err
}

// reach resolves the package an effect is about: the caller where none is named, else one it may reach.
func (s *Service) reach(ctx context.Context, tx *store.Tx, from, named string) (string, error) {
	if named == "" || named == from {
		return from, nil
	}
	declared, err := declares(tx, from)
	if err != nil {
		return "", err
	}
	if !declared[named] {
		return named, beyond(ctx, tx, from, named, fault.New(metav1.Reason_REASON_EFFECT_DENIED, "package %q may not ask about %q: its manifest declares no dependency on it", from, named).
			With("package", from).With("target", named))
	}
	return named, nil
}

// declares are the packages that a package's manifest names as dependencies. What a package says at run time does not
// count: people saw the manifest before they installed it.
func declares(tx *store.Tx, pkg string) (map[string]bool, error) {
	m, err := manifestOf(tx, pkg)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for id := range m.Dependencies {
		out[id] = true
	}
	return out, nil
}

// manifest is what a manifest says of what a package may reach.
type manifest struct {
	Dependencies map[string]json.RawMessage `json:"dependencies"`
	Plugins      []string                   `json:"plugins"`
}

func manifestOf(tx *store.Tx, pkg string) (m manifest, err error) {
	art, err := artifactOf(tx, pkg)
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(art.GetSpec().GetManifest(), &m)
}

// artifactOf is the file an installed package runs from.
func artifactOf(tx *store.Tx, pkg string) (*packagesv1.Artifact, error) {
	row, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(metav1.Reason_REASON_PACKAGE_NOT_FOUND, "no package %q is installed", pkg).With("package", pkg)
	}
	return store.Get[*packagesv1.Artifact](tx, row.GetSpec().GetArtifact())
}

func invalid(field, why string) error {
	return fault.New(metav1.Reason_REASON_EFFECT_INVALID, "cannot use parameter %q: %s", field, why).Violation(field, why)
}

// Refuse implements EffectsServiceServer.
func (s *Service) Refuse(ctx context.Context, req *effectsv1.RefuseRequest) (*effectsv1.RefuseResponse, error) {
	pkg, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.record(ctx, pkg, req.GetEffect(), "", packagesv1.RefusedEffectStatus_OUTCOME_UNKNOWN); err != nil {
		return nil, err
	}
	return nil, fault.New(metav1.Reason_REASON_EFFECT_UNKNOWN, "this release of Hearth does not have the effect %q", req.GetEffect()).With("effect", req.GetEffect())
}

// GetDataVersion implements EffectsServiceServer.
func (s *Service) GetDataVersion(ctx context.Context, _ *effectsv1.GetDataVersionRequest) (*effectsv1.GetDataVersionResponse, error) {
	pkg, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	version, err := s.Data.Version(ids.Package(pkg))
	if err != nil || version == "" {
		return &effectsv1.GetDataVersionResponse{}, err
	}
	return &effectsv1.GetDataVersionResponse{Value: &version}, nil
}

// SetDataVersion implements EffectsServiceServer.
func (s *Service) SetDataVersion(ctx context.Context, req *effectsv1.SetDataVersionRequest) (*effectsv1.SetDataVersionResponse, error) {
	pkg, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	// Data between two versions are of a range of them.
	if text := req.GetVersion(); text != "" {
		if _, err := exver.ParseRange(text); err != nil {
			if _, exact := exver.Parse(text); exact != nil {
				return nil, invalid("version", exact.Error())
			}
		}
	}
	return &effectsv1.SetDataVersionResponse{}, s.Data.SetVersion(ids.Package(pkg), req.GetVersion())
}

// Restart implements EffectsServiceServer.
func (s *Service) Restart(ctx context.Context, _ *effectsv1.RestartRequest) (*effectsv1.RestartResponse, error) {
	return &effectsv1.RestartResponse{}, s.update(ctx, s.Desires.RestartIn)
}

// Shutdown implements EffectsServiceServer.
func (s *Service) Shutdown(ctx context.Context, _ *effectsv1.ShutdownRequest) (*effectsv1.ShutdownResponse, error) {
	return &effectsv1.ShutdownResponse{}, s.update(ctx, s.Desires.StopIn)
}

// SetMainStatus implements EffectsServiceServer. Packages made with old SDKs report the state the agent observes.
func (s *Service) SetMainStatus(_ context.Context, req *effectsv1.SetMainStatusRequest) (*effectsv1.SetMainStatusResponse, error) {
	if st := req.GetStatus(); st != "running" && st != "stopped" {
		return nil, invalid("status", "must be running or stopped")
	}
	return &effectsv1.SetMainStatusResponse{}, nil
}

// GetOsIp implements EffectsServiceServer.
func (s *Service) GetOsIp(context.Context, *effectsv1.GetOsIpRequest) (*effectsv1.GetOsIpResponse, error) {
	return &effectsv1.GetOsIpResponse{Value: &s.BridgeIP}, nil
}

// GetInstalledPackages implements EffectsServiceServer.
func (s *Service) GetInstalledPackages(context.Context, *effectsv1.GetInstalledPackagesRequest) (*effectsv1.GetInstalledPackagesResponse, error) {
	list := []string{}
	err := s.Store.View(func(tx *store.Tx) error {
		rows, err := store.List[*packagesv1.Package](tx, "")
		for _, r := range rows {
			list = append(list, r.GetMeta().GetId())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(list)
	return &effectsv1.GetInstalledPackagesResponse{Value: raw}, err
}

// notificationLevels are the levels of notifications by the words of packages.
var notificationLevels = []string{"success", "info", "warning", "error"}

// NotificationCreate implements EffectsServiceServer.
func (s *Service) NotificationCreate(ctx context.Context, req *effectsv1.NotificationCreateRequest) (*effectsv1.NotificationCreateResponse, error) {
	pkg, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(notificationLevels, req.GetLevel()) {
		return nil, invalid("level", "must be success, info, warning or error")
	}
	return &effectsv1.NotificationCreateResponse{}, s.Notifications.Tell(ctx, s.Clock(), pkg, req.GetLevel(), req.GetTitle(), req.GetMessage(), req.GetData())
}
