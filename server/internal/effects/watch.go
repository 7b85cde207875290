package effects

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
	metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"

	"github.com/hearthos/hearth/api/fault"
	"github.com/hearthos/hearth/api/ids"
	"github.com/hearthos/hearth/server/internal/store"
	"google.golang.org/protobuf/proto"
)

// certificateCheck is how often a waiting call looks whether its certificate has been renewed: nothing in the store
// changes when one comes near its end.
const certificateCheck = time.Hour

// routeCheck is how often a waiting call looks where connections leave the machine: nothing in the store changes when
// that does.
const routeCheck = 15 * time.Second

// watchable is an effect whose value can be awaited.
type watchable struct {
	// request makes an empty request of the effect's own method.
	request func() proto.Message
	// value reads the value for a caller; nil is null.
	value func(ctx context.Context, tx *store.Tx, from string, req proto.Message) ([]byte, error)
	// kinds are the kinds of rows the value is made from.
	kinds []string
	// every is how often the value is read without a change in the store; 0 is never.
	every time.Duration
}

// watch makes a watchable of a reader for one request type.
func watch[T proto.Message](make func() T, value func(context.Context, *store.Tx, string, T) ([]byte, error), kinds ...string) watchable {
	return watchable{
		request: func() proto.Message { return make() },
		value: func(ctx context.Context, tx *store.Tx, from string, req proto.Message) ([]byte, error) {
			return value(ctx, tx, from, req.(T))
		},
		kinds: kinds,
	}
}

func (s *Service) makeWatchables() map[string]watchable {
	certificate := watch(func() *effectsv1.GetSslCertificateRequest { return &effectsv1.GetSslCertificateRequest{} }, s.certificateValue, "host")
	certificate.every = certificateCheck
	outbound := watch(func() *effectsv1.GetOutboundGatewayRequest { return &effectsv1.GetOutboundGatewayRequest{} }, s.outboundValue, "host")
	outbound.every = routeCheck
	return map[string]watchable{
		"get-host-info":           watch(func() *effectsv1.GetHostInfoRequest { return &effectsv1.GetHostInfoRequest{} }, s.hostValue, "host", "container"),
		"get-service-interface":   watch(func() *effectsv1.GetServiceInterfaceRequest { return &effectsv1.GetServiceInterfaceRequest{} }, s.interfaceValue, "host"),
		"list-service-interfaces": watch(func() *effectsv1.ListServiceInterfacesRequest { return &effectsv1.ListServiceInterfacesRequest{} }, s.interfacesValue, "host"),
		"get-container-ip":        watch(func() *effectsv1.GetContainerIpRequest { return &effectsv1.GetContainerIpRequest{} }, s.containerIPValue, "container"),
		"get-status":              watch(func() *effectsv1.GetStatusRequest { return &effectsv1.GetStatusRequest{} }, s.statusValue, "package", "healthcheck"),
		"get-service-manifest":    watch(func() *effectsv1.GetServiceManifestRequest { return &effectsv1.GetServiceManifestRequest{} }, s.manifestValue, "package", "artifact"),
		"get-system-smtp":         watch(func() *effectsv1.GetSystemSmtpRequest { return &effectsv1.GetSystemSmtpRequest{} }, s.smtpValue, "smtp", "smtppassword"),
		"get-ssl-certificate":     certificate,
		"get-outbound-gateway":    outbound,
	}
}

// read gives the value of a watchable effect and its etag.
func (s *Service) read(ctx context.Context, effect string, req proto.Message) (value []byte, etag string, err error) {
	from, err := caller(ctx)
	if err != nil {
		return nil, "", err
	}
	err = s.Store.View(func(tx *store.Tx) error {
		var err error
		value, err = s.watchables[effect].value(ctx, tx, from, req)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(value)
	return value, hex.EncodeToString(sum[:16]), nil
}

// Await implements EffectsServiceServer. It watches before it reads, so a change between the two is not missed. A
// value that can no longer be read is another one.
func (s *Service) Await(ctx context.Context, req *effectsv1.AwaitRequest) (*effectsv1.AwaitResponse, error) {
	w, ok := s.watchables[req.GetEffect()]
	if !ok {
		return nil, invalid("effect", "names no effect that can be awaited")
	}
	if pkg, err := caller(ctx); err != nil {
		return nil, err
	} else if err := s.permitted(ctx, pkg, req.GetEffect()); err != nil {
		return nil, err
	}
	params := w.request()
	if err := proto.Unmarshal(req.GetRequest(), params); err != nil {
		return nil, invalid("request", err.Error())
	}
	opt := store.WatchOptions{From: s.Store.Revision()}
	for _, k := range w.kinds {
		opt.Selectors = append(opt.Selectors, store.Selector{Kind: k})
	}
	watcher, err := s.Store.Watch(opt)
	if err != nil {
		return nil, err
	}
	for {
		_, etag, err := s.read(ctx, req.GetEffect(), params)
		if err != nil || etag != req.GetEtag() {
			return &effectsv1.AwaitResponse{Etag: etag}, ctx.Err()
		}
		if err := changed(ctx, watcher, w.every); err != nil {
			return nil, err
		}
	}
}

// changed waits for a change of the rows watched, or for the time given.
func changed(ctx context.Context, watcher *store.Watcher, every time.Duration) error {
	bounded := ctx
	if every > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, every)
		defer cancel()
	}
	for {
		batch, err := watcher.Next(bounded)
		if err != nil {
			if bounded.Err() != nil && ctx.Err() == nil {
				return nil
			}
			return err
		}
		if len(batch.Changes) > 0 {
			return nil
		}
	}
}

func (s *Service) hostValue(ctx context.Context, tx *store.Tx, from string, req *effectsv1.GetHostInfoRequest) ([]byte, error) {
	pkg, err := s.reach(ctx, tx, from, req.GetPackageId())
	if err != nil {
		return nil, err
	}
	return s.Hosts.HostJSON(tx, pkg, req.GetHostId())
}

// GetHostInfo implements EffectsServiceServer.
func (s *Service) GetHostInfo(ctx context.Context, req *effectsv1.GetHostInfoRequest) (*effectsv1.GetHostInfoResponse, error) {
	value, etag, err := s.read(ctx, "get-host-info", req)
	return &effectsv1.GetHostInfoResponse{Value: value, Etag: etag}, err
}

func (s *Service) interfaceValue(ctx context.Context, tx *store.Tx, from string, req *effectsv1.GetServiceInterfaceRequest) ([]byte, error) {
	pkg, err := s.reach(ctx, tx, from, req.GetPackageId())
	if err != nil {
		return nil, err
	}
	return s.Hosts.InterfaceJSON(tx, pkg, req.GetServiceInterfaceId())
}

// GetServiceInterface implements EffectsServiceServer.
func (s *Service) GetServiceInterface(ctx context.Context, req *effectsv1.GetServiceInterfaceRequest) (*effectsv1.GetServiceInterfaceResponse, error) {
	value, etag, err := s.read(ctx, "get-service-interface", req)
	return &effectsv1.GetServiceInterfaceResponse{Value: value, Etag: etag}, err
}

func (s *Service) interfacesValue(ctx context.Context, tx *store.Tx, from string, req *effectsv1.ListServiceInterfacesRequest) ([]byte, error) {
	pkg, err := s.reach(ctx, tx, from, req.GetPackageId())
	if err != nil {
		return nil, err
	}
	return s.Hosts.InterfacesJSON(tx, pkg)
}

// ListServiceInterfaces implements EffectsServiceServer.
func (s *Service) ListServiceInterfaces(ctx context.Context, req *effectsv1.ListServiceInterfacesRequest) (*effectsv1.ListServiceInterfacesResponse, error) {
	value, etag, err := s.read(ctx, "list-service-interfaces", req)
	return &effectsv1.ListServiceInterfacesResponse{Value: value, Etag: etag}, err
}

func (s *Service) containerIPValue(ctx context.Context, tx *store.Tx, from string, req *effectsv1.GetContainerIpRequest) ([]byte, error) {
	pkg, err := s.reach(ctx, tx, from, req.GetPackageId())
	if err != nil {
		return nil, err
	}
	row, ok, err := store.Lookup[*packagesv1.Container](tx, pkg)
	if err != nil || !ok || row.GetSpec().GetInstance() == "" && row.GetSpec().GetParked() == nil {
		return nil, err
	}
	return []byte(row.GetSpec().GetIpv4()), nil
}

// GetContainerIp implements EffectsServiceServer.
func (s *Service) GetContainerIp(ctx context.Context, req *effectsv1.GetContainerIpRequest) (*effectsv1.GetContainerIpResponse, error) {
	value, etag, err := s.read(ctx, "get-container-ip", req)
	resp := &effectsv1.GetContainerIpResponse{Etag: etag}
	if len(value) > 0 {
		resp.Value = proto.String(string(value))
	}
	return resp, err
}

// healthJSON is the result of a health check as packages read it.
type healthJSON struct {
	Name    string  `json:"name"`
	Result  string  `json:"result"`
	Message *string `json:"message"`
}

func healthOf(tx *store.Tx, pkg string) (map[string]healthJSON, error) {
	rows, err := store.List[*packagesv1.HealthCheck](tx, pkg)
	out := map[string]healthJSON{}
	for _, r := range rows {
		id, err := ids.Unescape(r.GetMeta().GetId()[len(pkg)+1:])
		if err != nil {
			return nil, err
		}
		h := healthJSON{Name: r.GetStatus().GetName(), Result: healthWord(r.GetStatus().GetResult())}
		if m := r.GetStatus().GetMessage(); m != "" {
			h.Message = &m
		}
		out[id] = h
	}
	return out, err
}

func (s *Service) statusValue(ctx context.Context, tx *store.Tx, from string, req *effectsv1.GetStatusRequest) ([]byte, error) {
	pkg, err := s.reach(ctx, tx, from, req.GetPackageId())
	if err != nil {
		return nil, err
	}
	row, ok, err := store.Lookup[*packagesv1.Package](tx, pkg)
	if err != nil || !ok {
		return nil, err
	}
	type failure struct {
		Details string  `json:"details"`
		Debug   string  `json:"debug"`
		Info    *string `json:"info"`
	}
	out := struct {
		Health  map[string]healthJSON `json:"health"`
		Error   *failure              `json:"error"`
		Started *string               `json:"started"`
		Desired map[string]any        `json:"desired"`
	}{Desired: map[string]any{"main": "stopped"}}
	if out.Health, err = healthOf(tx, pkg); err != nil {
		return nil, err
	}
	if t := row.GetStatus().GetStartTime(); t != nil {
		started := t.AsTime().UTC().Format(time.RFC3339Nano)
		out.Started = &started
	}
	if row.GetSpec().GetDesired() == packagesv1.PackageSpec_DESIRED_RUNNING {
		out.Desired["main"] = "running"
		if row.GetSpec().GetRestarts() > row.GetStatus().GetObservedRestarts() {
			out.Desired = map[string]any{"main": "restarting", "restartAgain": false}
		}
	}
	if f := row.GetStatus().GetFault(); f != nil {
		out.Error = &failure{Details: f.GetMessage(), Debug: strings.TrimPrefix(f.GetReason().String(), "REASON_")}
	}
	return json.Marshal(out)
}

// GetStatus implements EffectsServiceServer.
func (s *Service) GetStatus(ctx context.Context, req *effectsv1.GetStatusRequest) (*effectsv1.GetStatusResponse, error) {
	value, etag, err := s.read(ctx, "get-status", req)
	return &effectsv1.GetStatusResponse{Value: value, Etag: etag}, err
}

func (s *Service) manifestValue(ctx context.Context, tx *store.Tx, from string, req *effectsv1.GetServiceManifestRequest) ([]byte, error) {
	pkg, err := s.reach(ctx, tx, from, req.GetPackageId())
	if err != nil {
		return nil, err
	}
	art, err := artifactOf(tx, pkg)
	if err != nil {
		return nil, err
	}
	return art.GetSpec().GetManifest(), nil
}

// GetServiceManifest implements EffectsServiceServer.
func (s *Service) GetServiceManifest(ctx context.Context, req *effectsv1.GetServiceManifestRequest) (*effectsv1.GetServiceManifestResponse, error) {
	value, etag, err := s.read(ctx, "get-service-manifest", req)
	return &effectsv1.GetServiceManifestResponse{Value: value, Etag: etag}, err
}

// smtpJSON is how packages read how they send mail.
type smtpJSON struct {
	Host     string  `json:"host"`
	Port     uint32  `json:"port"`
	From     string  `json:"from"`
	Username string  `json:"username"`
	Password *string `json:"password"`
	Security string  `json:"security"`
}

// smtpValue is null where nothing is set. Every package may read it: what a server sends mail by is there for them.
func (s *Service) smtpValue(_ context.Context, tx *store.Tx, _ string, _ *effectsv1.GetSystemSmtpRequest) ([]byte, error) {
	spec, password, err := s.Mail.SMTPIn(tx)
	if err != nil || spec == nil {
		return nil, err
	}
	out := smtpJSON{Host: spec.GetHost(), Port: spec.GetPort(), From: spec.GetSender(), Username: spec.GetUsername(), Security: "starttls"}
	if spec.GetSecurity() == systemv1.SmtpSpec_SECURITY_TLS {
		out.Security = "tls"
	}
	if password != "" {
		out.Password = &password
	}
	return json.Marshal(out)
}

// GetSystemSmtp implements EffectsServiceServer.
func (s *Service) GetSystemSmtp(ctx context.Context, req *effectsv1.GetSystemSmtpRequest) (*effectsv1.GetSystemSmtpResponse, error) {
	value, etag, err := s.read(ctx, "get-system-smtp", req)
	return &effectsv1.GetSystemSmtpResponse{Value: value, Etag: etag}, err
}

func (s *Service) certificateValue(_ context.Context, tx *store.Tx, from string, req *effectsv1.GetSslCertificateRequest) ([]byte, error) {
	algorithm, err := checkCertificate(req.GetHostnames(), req.GetAlgorithm())
	if err != nil {
		return nil, err
	}
	chain, err := s.Certificates.Chain(tx, from, req.GetHostnames(), algorithm)
	if err != nil {
		return nil, err
	}
	return json.Marshal(chain)
}

// GetSslCertificate implements EffectsServiceServer.
func (s *Service) GetSslCertificate(ctx context.Context, req *effectsv1.GetSslCertificateRequest) (*effectsv1.GetSslCertificateResponse, error) {
	value, etag, err := s.read(ctx, "get-ssl-certificate", req)
	return &effectsv1.GetSslCertificateResponse{Value: value, Etag: etag}, err
}

func (s *Service) outboundValue(context.Context, *store.Tx, string, *effectsv1.GetOutboundGatewayRequest) ([]byte, error) {
	gateway := s.Hosts.Outbound()
	if gateway == "" {
		return nil, fault.New(metav1.Reason_REASON_NO_OUTBOUND_GATEWAY, "no connection leaves this machine: it has no default route")
	}
	return []byte(gateway), nil
}

// GetOutboundGateway implements EffectsServiceServer.
func (s *Service) GetOutboundGateway(ctx context.Context, req *effectsv1.GetOutboundGatewayRequest) (*effectsv1.GetOutboundGatewayResponse, error) {
	value, etag, err := s.read(ctx, "get-outbound-gateway", req)
	if err != nil {
		return nil, err
	}
	return &effectsv1.GetOutboundGatewayResponse{Value: proto.String(string(value)), Etag: etag}, nil
}
