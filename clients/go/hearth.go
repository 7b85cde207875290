// Package hearth is the Go client of a Hearth server: the generated clients of every service over one connection, and
// what they lack: uploads that go on where they broke off, and watches that survive a restart of the server.
//
//	c, err := hearth.Dial(ctx, "unix:/run/hearth/hearthd.sock", hearth.Options{})
//	defer c.Close()
//	resp, err := c.Packages.ListPackages(ctx, &packagesv1.ListPackagesRequest{})
//
// Every error of a call is the fault the server raised: fault.Is(err, metav1.Reason_REASON_PACKAGE_NOT_FOUND) works on
// both sides of the wire. The package keeps no state of a server and imports nothing but the contract.
package hearth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	auditv1 "github.com/hearthos/hearth/api/gen/go/hearth/audit/v1"
	certificatesv1 "github.com/hearthos/hearth/api/gen/go/hearth/certificates/v1"
	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
	dnsv1 "github.com/hearthos/hearth/api/gen/go/hearth/dns/v1"
	execv1 "github.com/hearthos/hearth/api/gen/go/hearth/exec/v1"
	gatewaysv1 "github.com/hearthos/hearth/api/gen/go/hearth/gateways/v1"
	hostsv1 "github.com/hearthos/hearth/api/gen/go/hearth/hosts/v1"
	logsv1 "github.com/hearthos/hearth/api/gen/go/hearth/logs/v1"
	notificationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/notifications/v1"
	operationsv1 "github.com/hearthos/hearth/api/gen/go/hearth/operations/v1"
	packagesv1 "github.com/hearthos/hearth/api/gen/go/hearth/packages/v1"
	registriesv1 "github.com/hearthos/hearth/api/gen/go/hearth/registries/v1"
	statev1 "github.com/hearthos/hearth/api/gen/go/hearth/state/v1"
	systemv1 "github.com/hearthos/hearth/api/gen/go/hearth/system/v1"
	"github.com/hearthos/hearth/api/sign"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// DefaultTarget is the socket of the server on this machine.
const DefaultTarget = "unix:/run/hearth/hearthd.sock"

// maxAnswer bounds what a server may send in one message.
const maxAnswer = 16 << 20

// Options are how to reach a server.
type Options struct {
	// Token is the bearer token; on the local socket the user's own rights count when it is empty.
	Token string
	// Key signs each call instead of a token; the server must have its public half.
	Key *sign.PrivateKey
	// RootPEM is the root certificate of the server, the only one trusted then; the system's roots when it is empty.
	RootPEM []byte
}

// Client is a connection to a server. It is safe for concurrent use.
type Client struct {
	Accounts      accountsv1.AccountServiceClient
	Actions       actionsv1.ActionServiceClient
	Audit         auditv1.AuditServiceClient
	Certificates  certificatesv1.CertificateServiceClient
	Diagnostics   diagnosticsv1.DiagnosticsServiceClient
	DNS           dnsv1.DNSServiceClient
	Exec          execv1.ExecServiceClient
	Gateways      gatewaysv1.GatewayServiceClient
	Hosts         hostsv1.HostServiceClient
	Keys          accountsv1.KeyServiceClient
	Logs          logsv1.LogServiceClient
	Notifications notificationsv1.NotificationServiceClient
	Operations    operationsv1.OperationServiceClient
	Registries    registriesv1.RegistryServiceClient
	Packages      packagesv1.PackageServiceClient
	// Updates find newer versions of packages and say which are installed by themselves.
	Updates packagesv1.UpdateServiceClient
	// EffectPolicies tell what packages reached for beyond what they declare.
	EffectPolicies packagesv1.EffectPolicyServiceClient
	// Limits bound what single services may use.
	Limits packagesv1.LimitServiceClient
	// Preferences are the caller's own.
	Preferences accountsv1.PreferencesServiceClient
	State       statev1.StateServiceClient
	RootKey     systemv1.RootKeyServiceClient
	Settings    systemv1.SettingsServiceClient
	System      systemv1.SystemServiceClient

	conn *grpc.ClientConn
	http *http.Client
	base string // of HTTP routes
}

// Dial makes a client of the server at target: "unix:PATH" or a path for a socket, "https://HOST[:PORT]" for a server in
// the network, empty for DefaultTarget. It connects with the first call.
func Dial(_ context.Context, target string, opt Options) (*Client, error) {
	e, err := resolve(target, opt)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(e.grpc,
		grpc.WithTransportCredentials(e.creds),
		opt.unary(), opt.stream(),
		// A server that restarts is back within a second; the library would wait up to two minutes.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 20 * time.Second}),
	)
	if err != nil {
		return nil, fmt.Errorf("cannot use the server address %q: %w", target, err)
	}
	return &Client{
		Accounts: accountsv1.NewAccountServiceClient(conn), Actions: actionsv1.NewActionServiceClient(conn),
		Certificates: certificatesv1.NewCertificateServiceClient(conn),
		Diagnostics:  diagnosticsv1.NewDiagnosticsServiceClient(conn),
		Audit:        auditv1.NewAuditServiceClient(conn),
		DNS:          dnsv1.NewDNSServiceClient(conn),
		Exec:         execv1.NewExecServiceClient(conn),
		Gateways:     gatewaysv1.NewGatewayServiceClient(conn),
		Hosts:        hostsv1.NewHostServiceClient(conn), Keys: accountsv1.NewKeyServiceClient(conn), Logs: logsv1.NewLogServiceClient(conn),
		Notifications:  notificationsv1.NewNotificationServiceClient(conn),
		EffectPolicies: packagesv1.NewEffectPolicyServiceClient(conn),
		Updates:        packagesv1.NewUpdateServiceClient(conn),
		Limits:         packagesv1.NewLimitServiceClient(conn),
		Operations:     operationsv1.NewOperationServiceClient(conn), Packages: packagesv1.NewPackageServiceClient(conn),
		Preferences: accountsv1.NewPreferencesServiceClient(conn),
		Registries:  registriesv1.NewRegistryServiceClient(conn),
		RootKey:     systemv1.NewRootKeyServiceClient(conn),
		Settings:    systemv1.NewSettingsServiceClient(conn),
		State:       statev1.NewStateServiceClient(conn), System: systemv1.NewSystemServiceClient(conn),
		conn: conn, http: &http.Client{Transport: e.http}, base: e.base,
	}, nil
}

func (o Options) unary() grpc.DialOption {
	if o.Key != nil {
		return grpc.WithUnaryInterceptor((&signer{key: *o.Key}).unary)
	}
	return grpc.WithUnaryInterceptor(unary(o.Token))
}

func (o Options) stream() grpc.DialOption {
	if o.Key != nil {
		return grpc.WithStreamInterceptor((&signer{key: *o.Key}).stream)
	}
	return grpc.WithStreamInterceptor(stream(o.Token))
}

// Conn is the connection, for services and calls that have no method here.
func (c *Client) Conn() grpc.ClientConnInterface { return c.conn }

// Close ends the connection and every call on it.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return c.conn.Close()
}

// Server tells which server this is.
func (c *Client) Server(ctx context.Context) (*systemv1.GetServerResponse, error) {
	return c.System.GetServer(ctx, &systemv1.GetServerRequest{})
}

// endpoint is a target as the two transports want it.
type endpoint struct {
	grpc, base string
	creds      credentials.TransportCredentials
	http       *http.Transport
}

func resolve(target string, opt Options) (endpoint, error) {
	if target == "" {
		target = DefaultTarget
	}
	if path, ok := strings.CutPrefix(target, "unix:"); ok || strings.HasPrefix(target, "/") {
		if !strings.HasPrefix(path, "/") {
			return endpoint{}, fmt.Errorf("cannot use the server address %q: the path of a socket begins with a slash", target)
		}
		return local(path), nil
	}
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return endpoint{}, fmt.Errorf(`cannot use the server address %q: it is "unix:/PATH" or "https://HOST[:PORT]"`, target)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(opt.RootPEM) > 0 {
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(opt.RootPEM) {
			return endpoint{}, errors.New("cannot use the root certificate: it is not PEM")
		}
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	host := net.JoinHostPort(u.Hostname(), port)
	return endpoint{
		grpc: "dns:///" + host, base: "https://" + host, creds: credentials.NewTLS(cfg),
		http: &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment},
	}, nil
}

func local(path string) endpoint {
	return endpoint{
		grpc: "unix:" + path, base: "http://hearth", creds: insecure.NewCredentials(),
		http: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}},
	}
}
