/** A size: a number of bytes, or a number with K, M, G or T (1024, and so on). */
export type Size = number | `${number}${"K" | "M" | "G" | "T"}`;

/** What the service is content with. A server gives no more than that, until people choose otherwise; StartOS ignores it. */
export interface LimitsText {
  /** Memory, page cache included; at least 64M. What wants more is ended. */
  memory?: Size;
  /** How many processors it may keep busy, as in 0.5. */
  cpu?: number;
  /** Processes and threads; at least 32. */
  processes?: number;
  /** Its share of the disk where others want it too; 100 is usual. */
  ioWeight?: number;
  /** Bytes a second that it reads from the disk. */
  read?: Size;
  /** Bytes a second that it writes to the disk. */
  write?: Size;
  /** What its data take on disk. */
  disk?: Size;
}

/** What a package asks of the server beside what is its own: the account that mail is sent by, to tell people something, certificates and their keys, which packages are installed. */
export type Permission = "mail" | "notifications" | "certificates" | "packages";

/** A network in CIDR form, as in "192.0.2.0/24" or "2001:db8::/32"; a single address is a network of one. */
export type NetworkRange = `${string}.${string}` | `${string}:${string}`;

/** A name of the Internet, as in "api.example.org"; "*.example.org" is all names below one, "api.example.org:443" one port there. */
export type NetworkName = `${string}.${string}` | `${string}.${string}:${number}`;

/**
 * What a package opens connections to beyond the server: "internet"; "lan", which are private networks and those that the server is in; networks; names.
 * The packages that it depends on are reached besides.
 */
export type NetworkNeed = "internet" | "lan" | NetworkRange | NetworkName;

/** What a package declares of itself. */
export interface Declarations {
  /** What the service is content with; people may choose otherwise. StartOS ignores it. */
  limits?: LimitsText;
  /** What the package asks of the server; an empty list is nothing, and all if not said. StartOS ignores it. */
  permissions?: readonly Permission[];
  /** What the service opens connections to beyond the server and the packages it depends on; an empty list is nothing, and all if not said. StartOS ignores it. */
  network?: readonly NetworkNeed[];
}

/** The member of the manifest that StartOS does not know. */
export interface DeclaredManifest {
  limits?: Partial<Record<keyof LimitsText, number>>;
  permissions?: Permission[];
  network?: string[];
  freeze?: true;
}

const units = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/**
 * The bytes of a size.
 * @example
 * assert.equal(bytes("1.5M"), 1572864);
 * assert.throws(() => bytes("much" as "1M"), /is no size/);
 */
export function bytes(size: Size): number {
  if (typeof size === "number") return Math.round(size);
  const [, number, unit] = /^(\d+(?:\.\d+)?)([KMGT])$/.exec(size) ?? [];
  if (!number) throw new Error(`${JSON.stringify(size)} is no size: it is a number of bytes, or as in "512M"`);
  return Math.round(Number(number) * units[unit as keyof typeof units]);
}

// What a server would refuse is told to the packager.
function bounded(name: string, value: number, least: number): number {
  if (!Number.isFinite(value) || value < least) throw new Error(`limits.${name} must be at least ${least}, not ${value}`);
  return value;
}

function limitsOf({ memory, cpu, processes, ioWeight, read, write, disk }: LimitsText): DeclaredManifest["limits"] {
  return {
    ...(memory === undefined ? {} : { memory: bounded("memory", bytes(memory), 64 * units.M) }),
    ...(cpu === undefined ? {} : { cpu: bounded("cpu", Math.round(cpu * 1000), 10) }),
    ...(processes === undefined ? {} : { processes: bounded("processes", processes, 32) }),
    ...(ioWeight === undefined ? {} : { ioWeight: bounded("ioWeight", ioWeight, 1) }),
    ...(read === undefined ? {} : { read: bounded("read", bytes(read), 64 * units.K) }),
    ...(write === undefined ? {} : { write: bounded("write", bytes(write), 64 * units.K) }),
    ...(disk === undefined ? {} : { disk: bounded("disk", bytes(disk), 16 * units.M) }),
  };
}

const label = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
const name = new RegExp(`^(?:\\*\\.)?(?:${label}\\.)+(?!\\d+(?::|$))${label}(?::([1-9]\\d{0,4}))?$`);

// Whether a network is one is told when the package is packed.
function networkOf(need: NetworkNeed): string {
  if (need.includes("/") || !/[.:]/.test(need)) return need;
  if (/^[\d.]+$/.test(need)) return `${need}/32`;
  if (/:.*:/.test(need)) return `${need}/128`;
  const named = need.toLowerCase();
  const port = name.exec(named);
  if (!port || Number(port[1] ?? 1) > 65535) throw new Error(`network has ${JSON.stringify(need)}, which is not a name such as "api.example.org", "*.example.org" or "api.example.org:443"`);
  return named;
}

/** What a description declares, as it stands in the manifest; undefined where it declares nothing. */
export function declaredOf({ limits, permissions, network }: Declarations, freeze: boolean): DeclaredManifest | undefined {
  if (!limits && !permissions && !network && !freeze) return undefined;
  return {
    ...(limits ? { limits: limitsOf(limits)! } : {}),
    ...(permissions ? { permissions: [...permissions] } : {}),
    ...(network ? { network: network.map(networkOf) } : {}),
    ...(freeze ? { freeze } : {}),
  };
}
