/**
 * All effects that packages of StartOS 0.4 may call. Those that the contract has no method for exist as functions too,
 * so that a call of one is refused by name and recorded by the host.
 */
export const startosEffects = [
  "action.clear",
  "action.clear-tasks",
  "action.create-task",
  "action.export",
  "action.get-input",
  "action.run",
  "bind",
  "bind-range",
  "check-dependencies",
  "clear-bindings",
  "clear-service-interfaces",
  "export-range-service-interface",
  "export-service-interface",
  "get-container-ip",
  "get-data-version",
  "get-dependencies",
  "get-host-info",
  "get-installed-packages",
  "get-os-ip",
  "get-outbound-gateway",
  "get-service-interface",
  "get-service-manifest",
  "get-service-port-forward",
  "get-ssl-certificate",
  "get-ssl-key",
  "get-status",
  "get-system-smtp",
  "list-service-interfaces",
  "mount",
  "notification.create",
  "plugin.url.clear-urls",
  "plugin.url.export-url",
  "plugin.url.register",
  "restart",
  "set-backup-progress",
  "set-data-version",
  "set-dependencies",
  "set-health",
  "set-init-progress",
  "set-main-status",
  "shutdown",
  "subcontainer.create-fs",
  "subcontainer.destroy-fs",
] as const;

/** Gives the path of an effect on the Effects object.
 * @example pathOf("action.create-task") // ["action", "createTask"]
 */
export function pathOf(effect: string): string[] {
  return effect.split(".").map((part) => part.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()));
}
