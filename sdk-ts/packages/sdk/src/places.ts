import { join } from "node:path";

/** Where things are for the code of a package; tests move it by HEARTH_PACKAGE_ROOT. */
export type Place = "volumes" | "assets" | "images" | "backup" | "subcontainers";

/** The tables of sockets of the service's network. */
export function socketTable(name: string): string {
  const root = process.env["HEARTH_PACKAGE_ROOT"];
  return root === undefined ? join("/proc/net", name) : join(root, "net", name);
}

export function place(name: Place): string {
  return join(process.env["HEARTH_PACKAGE_ROOT"] ?? "/media/startos", name);
}
