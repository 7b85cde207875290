import { createClient, type Client, type Transport } from "@connectrpc/connect";
import { AccountService } from "@hearthos/api/hearth/accounts/v1/accounts_pb";
import { ActionService } from "@hearthos/api/hearth/actions/v1/actions_pb";
import { AuditService } from "@hearthos/api/hearth/audit/v1/audit_pb";
import { CertificateService } from "@hearthos/api/hearth/certificates/v1/certificates_pb";
import { DiagnosticsService } from "@hearthos/api/hearth/diagnostics/v1/diagnostics_pb";
import { DNSService } from "@hearthos/api/hearth/dns/v1/dns_pb";
import { ExecService } from "@hearthos/api/hearth/exec/v1/exec_pb";
import { GatewayService } from "@hearthos/api/hearth/gateways/v1/gateways_pb";
import { HostService } from "@hearthos/api/hearth/hosts/v1/hosts_pb";
import { KeyService } from "@hearthos/api/hearth/accounts/v1/keys_pb";
import { LogService } from "@hearthos/api/hearth/logs/v1/logs_pb";
import { EffectPolicyService } from "@hearthos/api/hearth/packages/v1/effectpolicy_pb";
import { UpdateService } from "@hearthos/api/hearth/packages/v1/updates_pb";
import { LimitService } from "@hearthos/api/hearth/packages/v1/limits_pb";
import { NotificationService } from "@hearthos/api/hearth/notifications/v1/notifications_pb";
import { OperationService } from "@hearthos/api/hearth/operations/v1/operations_pb";
import { PackageService } from "@hearthos/api/hearth/packages/v1/packages_pb";
import { PreferencesService } from "@hearthos/api/hearth/accounts/v1/preferences_pb";
import { RegistryService } from "@hearthos/api/hearth/registries/v1/registries_pb";
import { StateService } from "@hearthos/api/hearth/state/v1/state_pb";
import { RootKeyService } from "@hearthos/api/hearth/system/v1/rootkey_pb";
import { SettingsService } from "@hearthos/api/hearth/system/v1/settings_pb";
import { SystemService } from "@hearthos/api/hearth/system/v1/system_pb";

/** The services of a server. */
export interface Hearth {
  readonly accounts: Client<typeof AccountService>;
  readonly actions: Client<typeof ActionService>;
  readonly audit: Client<typeof AuditService>;
  readonly certificates: Client<typeof CertificateService>;
  readonly diagnostics: Client<typeof DiagnosticsService>;
  readonly dns: Client<typeof DNSService>;
  readonly exec: Client<typeof ExecService>;
  readonly gateways: Client<typeof GatewayService>;
  readonly hosts: Client<typeof HostService>;
  readonly keys: Client<typeof KeyService>;
  readonly logs: Client<typeof LogService>;
  readonly effectPolicies: Client<typeof EffectPolicyService>;
  readonly updates: Client<typeof UpdateService>;
  readonly limits: Client<typeof LimitService>;
  readonly notifications: Client<typeof NotificationService>;
  readonly operations: Client<typeof OperationService>;
  readonly packages: Client<typeof PackageService>;
  readonly rootKey: Client<typeof RootKeyService>;
  readonly preferences: Client<typeof PreferencesService>;
  readonly registries: Client<typeof RegistryService>;
  readonly state: Client<typeof StateService>;
  readonly settings: Client<typeof SettingsService>;
  readonly system: Client<typeof SystemService>;
}

/**
 * Makes a client of the server that the transport leads to. It connects with the first call.
 * @example
 * const transport = createConnectTransport({ baseUrl: "https://server:8443", interceptors: [bearer(token)], httpVersion: "1.1" });
 * const { packages } = await createHearth(transport).packages.listPackages({});
 */
export function createHearth(transport: Transport): Hearth {
  return {
    accounts: createClient(AccountService, transport),
    actions: createClient(ActionService, transport),
    audit: createClient(AuditService, transport),
    certificates: createClient(CertificateService, transport),
    diagnostics: createClient(DiagnosticsService, transport),
    dns: createClient(DNSService, transport),
    exec: createClient(ExecService, transport),
    gateways: createClient(GatewayService, transport),
    hosts: createClient(HostService, transport),
    keys: createClient(KeyService, transport),
    logs: createClient(LogService, transport),
    effectPolicies: createClient(EffectPolicyService, transport),
    updates: createClient(UpdateService, transport),
    limits: createClient(LimitService, transport),
    notifications: createClient(NotificationService, transport),
    operations: createClient(OperationService, transport),
    packages: createClient(PackageService, transport),
    rootKey: createClient(RootKeyService, transport),
    preferences: createClient(PreferencesService, transport),
    registries: createClient(RegistryService, transport),
    state: createClient(StateService, transport),
    settings: createClient(SettingsService, transport),
    system: createClient(SystemService, transport),
  };
}
