/** Where things are; the defaults are the places inside a service container. */
export interface Environment {
  /** Folder of the package's JavaScript: HEARTH_PACKAGE_DIR. */
  packageDir: string;
  /** Socket of hearth.effects.v1, made by the daemon: effects.sock in HEARTH_RPC_DIR. */
  effectsSocket: string;
  /** Folder in which compiled code is kept, where it is there: HEARTH_CODE_DIR. */
  codeDir: string;
  /** Socket of hearth.jshost.v1, made here: jshost.sock in HEARTH_RPC_DIR. */
  ownSocket: string;
  /** Descriptor that is closed when the own socket answers, for whoever waits for that: HEARTH_READY_FD. */
  readyFd: number | undefined;
}

/** Reads the environment.
 * @example environment({}).ownSocket // "/run/hearth/jshost.sock"
 */
export function environment(env: NodeJS.ProcessEnv): Environment {
  const rpc = env["HEARTH_RPC_DIR"] || "/run/hearth";
  return {
    packageDir: env["HEARTH_PACKAGE_DIR"] || "/usr/lib/startos/package",
    codeDir: env["HEARTH_CODE_DIR"] || "/usr/lib/hearth/code",
    effectsSocket: `${rpc}/effects.sock`,
    ownSocket: `${rpc}/jshost.sock`,
    readyFd: Number(env["HEARTH_READY_FD"]) || undefined,
  };
}
