package daemon

import (
	"context"
	"slices"
	"time"

	accountsv1 "github.com/hearthos/hearth/api/gen/go/hearth/accounts/v1"
	actionsv1 "github.com/hearthos/hearth/api/gen/go/hearth/actions/v1"
	auditv1 "github.com/hearthos/hearth/api/gen/go/hearth/audit/v1"
	certificatesv1 "github.com/hearthos/hearth/api/gen/go/hearth/certificates/v1"
	diagnosticsv1 "github.com/hearthos/hearth/api/gen/go/hearth/diagnostics/v1"
	dnsv1 "github.com/hearthos/hearth/api/gen/go/hearth/dns/v1"
	effectsv1 "github.com/hearthos/hearth/api/gen/go/hearth/effects/v1"
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

	"github.com/hearthos/hearth/server/internal/account"
	"github.com/hearthos/hearth/server/internal/action"
	"github.com/hearthos/hearth/server/internal/custody"
	"github.com/hearthos/hearth/server/internal/exec"
	"github.com/hearthos/hearth/server/internal/install"
	"github.com/hearthos/hearth/server/internal/logs"
	"github.com/hearthos/hearth/server/internal/notify"
	"github.com/hearthos/hearth/server/internal/rpc"
	"github.com/hearthos/hearth/server/internal/rpc/accountsrpc"
	"github.com/hearthos/hearth/server/internal/rpc/actionsrpc"
	"github.com/hearthos/hearth/server/internal/rpc/auditrpc"
	"github.com/hearthos/hearth/server/internal/rpc/certificatesrpc"
	"github.com/hearthos/hearth/server/internal/rpc/diagnosticsrpc"
	"github.com/hearthos/hearth/server/internal/rpc/dnsrpc"
	"github.com/hearthos/hearth/server/internal/rpc/execrpc"
	"github.com/hearthos/hearth/server/internal/rpc/gatewaysrpc"
	"github.com/hearthos/hearth/server/internal/rpc/hostsrpc"
	"github.com/hearthos/hearth/server/internal/rpc/logsrpc"
	"github.com/hearthos/hearth/server/internal/rpc/notificationsrpc"
	"github.com/hearthos/hearth/server/internal/rpc/operationsrpc"
	"github.com/hearthos/hearth/server/internal/rpc/packagesrpc"
	"github.com/hearthos/hearth/server/internal/rpc/registriesrpc"
	"github.com/hearthos/hearth/server/internal/rpc/rootkeyrpc"
	"github.com/hearthos/hearth/server/internal/rpc/staterpc"
	"github.com/hearthos/hearth/server/internal/rpc/systemrpc"
)

// declare puts every service on every wire.
func (d *Daemon) declare() {
	d.hub.Declare(
		&accountsv1.AccountService_ServiceDesc,
		&accountsv1.KeyService_ServiceDesc,
		&accountsv1.PreferencesService_ServiceDesc,
		&actionsv1.ActionService_ServiceDesc,
		&auditv1.AuditService_ServiceDesc,
		&certificatesv1.CertificateService_ServiceDesc,
		&diagnosticsv1.DiagnosticsService_ServiceDesc,
		&dnsv1.DNSService_ServiceDesc,
		&effectsv1.EffectsService_ServiceDesc,
		&execv1.ExecService_ServiceDesc,
		&gatewaysv1.GatewayService_ServiceDesc,
		&hostsv1.HostService_ServiceDesc,
		&logsv1.LogService_ServiceDesc,
		&notificationsv1.NotificationService_ServiceDesc,
		&operationsv1.OperationService_ServiceDesc,
		&packagesv1.EffectPolicyService_ServiceDesc,
		&packagesv1.LimitService_ServiceDesc,
		&packagesv1.PackageService_ServiceDesc,
		&packagesv1.UpdateService_ServiceDesc,
		&registriesv1.RegistryService_ServiceDesc,
		&statev1.StateService_ServiceDesc,
		&systemv1.SettingsService_ServiceDesc,
		&systemv1.SystemService_ServiceDesc,
		&systemv1.RootKeyService_ServiceDesc,
	)
	// The system answers from the first moment on.
	d.system = systemrpc.New(d, d.cfg.Version, d.started)
	systemv1.RegisterSystemServiceServer(d.hub, d.system)
	d.hub.REST(
		rpc.NewGateway(accountsv1.RegisterAccountServiceHandlerClient, accountsv1.NewAccountServiceClient),
		rpc.NewGateway(accountsv1.RegisterKeyServiceHandlerClient, accountsv1.NewKeyServiceClient),
		rpc.NewGateway(actionsv1.RegisterActionServiceHandlerClient, actionsv1.NewActionServiceClient),
		rpc.NewGateway(auditv1.RegisterAuditServiceHandlerClient, auditv1.NewAuditServiceClient),
		rpc.NewGateway(certificatesv1.RegisterCertificateServiceHandlerClient, certificatesv1.NewCertificateServiceClient),
		rpc.NewGateway(diagnosticsv1.RegisterDiagnosticsServiceHandlerClient, diagnosticsv1.NewDiagnosticsServiceClient),
		rpc.NewGateway(dnsv1.RegisterDNSServiceHandlerClient, dnsv1.NewDNSServiceClient),
		rpc.NewGateway(execv1.RegisterExecServiceHandlerClient, execv1.NewExecServiceClient),
		rpc.NewGateway(gatewaysv1.RegisterGatewayServiceHandlerClient, gatewaysv1.NewGatewayServiceClient),
		rpc.NewGateway(hostsv1.RegisterHostServiceHandlerClient, hostsv1.NewHostServiceClient),
		rpc.NewGateway(logsv1.RegisterLogServiceHandlerClient, logsv1.NewLogServiceClient),
		rpc.NewGateway(notificationsv1.RegisterNotificationServiceHandlerClient, notificationsv1.NewNotificationServiceClient),
		rpc.NewGateway(packagesv1.RegisterEffectPolicyServiceHandlerClient, packagesv1.NewEffectPolicyServiceClient),
		rpc.NewGateway(packagesv1.RegisterLimitServiceHandlerClient, packagesv1.NewLimitServiceClient),
		rpc.NewGateway(operationsv1.RegisterOperationServiceHandlerClient, operationsv1.NewOperationServiceClient),
		rpc.NewGateway(packagesv1.RegisterPackageServiceHandlerClient, packagesv1.NewPackageServiceClient),
		rpc.NewGateway(packagesv1.RegisterUpdateServiceHandlerClient, packagesv1.NewUpdateServiceClient),
		rpc.NewGateway(registriesv1.RegisterRegistryServiceHandlerClient, registriesv1.NewRegistryServiceClient),
		rpc.NewGateway(accountsv1.RegisterPreferencesServiceHandlerClient, accountsv1.NewPreferencesServiceClient),
		rpc.NewGateway(statev1.RegisterStateServiceHandlerClient, statev1.NewStateServiceClient),
		rpc.NewGateway(systemv1.RegisterSettingsServiceHandlerClient, systemv1.NewSettingsServiceClient),
		rpc.NewGateway(systemv1.RegisterSystemServiceHandlerClient, systemv1.NewSystemServiceClient),
		rpc.NewGateway(systemv1.RegisterRootKeyServiceHandlerClient, systemv1.NewRootKeyServiceClient),
	)
}

// register lets the services be answered: one line reaches every wire.
func (d *Daemon) register(actions *action.Service, installs *install.Service, logKeeper *logs.Keeper, keys *custody.Service, notes *notify.Keeper) {
	accountsv1.RegisterAccountServiceServer(d.hub, accountsrpc.New(d.accounts, d.cookie(), time.Now))
	accountsv1.RegisterKeyServiceServer(d.hub, accountsrpc.NewKeys(d.accounts, time.Now))
	accountsv1.RegisterPreferencesServiceServer(d.hub, accountsrpc.NewPreferences(account.NewPreferences(d.store), time.Now))
	actionsv1.RegisterActionServiceServer(d.hub, actionsrpc.New(actions, time.Now))
	auditv1.RegisterAuditServiceServer(d.hub, auditrpc.New(d.audit))
	certificatesv1.RegisterCertificateServiceServer(d.hub, certificatesrpc.New(d.authority, deviceNames{d}))
	diagnosticsv1.RegisterDiagnosticsServiceServer(d.hub, diagnosticsrpc.New(d.warnings, d, time.Now))
	dnsv1.RegisterDNSServiceServer(d.hub, dnsrpc.New(d.settings, resolverNetwork{d}, time.Now))
	effectsv1.RegisterEffectsServiceServer(d.hub, d.effects)
	execv1.RegisterExecServiceServer(d.hub, execrpc.New(exec.New(d.store, d.runner), time.Now))
	gatewaysv1.RegisterGatewayServiceServer(d.hub, gatewaysrpc.New(d.gateways, d.proxy, time.Now))
	hostsv1.RegisterHostServiceServer(d.hub, hostsrpc.New(d.hosts, d.reach, d.proxy, time.Now))
	logsv1.RegisterLogServiceServer(d.hub, logsrpc.New(logKeeper))
	notificationsv1.RegisterNotificationServiceServer(d.hub, notificationsrpc.New(notes, time.Now))
	packagesv1.RegisterEffectPolicyServiceServer(d.hub, packagesrpc.NewEffectPolicies(d.effects, time.Now))
	packagesv1.RegisterLimitServiceServer(d.hub, packagesrpc.NewLimits(d.runner, time.Now))
	operationsv1.RegisterOperationServiceServer(d.hub, operationsrpc.New(d.store, d.operations, time.Now))
	packagesv1.RegisterPackageServiceServer(d.hub, packagesrpc.New(d.store, installs, d.artifacts, d.operations, d.monitor, time.Now))
	packagesv1.RegisterUpdateServiceServer(d.hub, packagesrpc.NewUpdates(d.updates, time.Now))
	registriesv1.RegisterRegistryServiceServer(d.hub, registriesrpc.New(d.registries, d.artifacts.DocumentIn, time.Now))
	statev1.RegisterStateServiceServer(d.hub, staterpc.New(d.store))
	systemv1.RegisterRootKeyServiceServer(d.hub, rootkeyrpc.New(keys, d.operations, time.Now))
	systemv1.RegisterSettingsServiceServer(d.hub, systemrpc.NewSettings(d.settings, d.hostname, time.Now))
	d.system.Open(d.store, d.monitor, d.hostname)
}

// cookie is the name of the cookie of browsers' sessions: servers that share a host name have one each.
func (d *Daemon) cookie() string { return "__Host-hearth-" + d.tag }

// ours tells whether a host name is one that the server has a certificate for.
func (d *Daemon) ours(host string) bool {
	names := d.names.Load().Certificate(nil)
	if d.opened.Load() {
		names = d.proxy.Names()
	}
	return slices.Contains(names, host)
}

// DoorConnected implements systemrpc.Daemon.
func (d *Daemon) DoorConnected() bool { return d.door.Load() }

// RootFingerprint implements systemrpc.Daemon.
func (d *Daemon) RootFingerprint() string { return d.authority.Fingerprint() }

// Shutdown implements systemrpc.Daemon. A shutdown with the services goes on to its end when its caller goes away.
func (d *Daemon) Shutdown(ctx context.Context, services bool) error {
	if !services {
		d.endSoon()
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- d.shutdownServices(context.WithoutCancel(ctx)) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// shutdownServices stops the services and then ends the daemon, also where a service could not be stopped: before it the
// controllers end, which would start again what is stopped here, and without them a daemon minds nothing.
func (d *Daemon) shutdownServices(ctx context.Context) error {
	d.stopManager()
	<-d.managerDone
	d.log.InfoContext(ctx, "the services are stopped for a shutdown")
	err := d.runner.StopAll(ctx)
	if err != nil {
		d.log.ErrorContext(ctx, "not all services could be stopped", "error", err)
	}
	d.endSoon()
	return err
}

// endSoon ends the daemon once who asked for it has the answer.
func (d *Daemon) endSoon() { time.AfterFunc(answerFirst, func() { d.stop(errStopped) }) }
