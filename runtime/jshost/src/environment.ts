/** Where things are; the defaults are the places inside a service container. */
export interface Environment {
  /** Folder of the package's JavaScript: HEARTH_PACKAGE_DIR. */
  packageDir: string;
  /** Socket of hearth.effects.v1, made by the daemon: effects.sock in HEARTH_RPC_DIR. */
  effectsSocket: string;
  /** Socket of hearth.jshost.v1, made here: jshost.sock in HEARTH_RPC_DIR. */
  ownSocket: string;
}

/** Reads the environment.
 * @example environment({}).ownSocket // "/run/hearth/jshost.sock"
 */
export function environment(env: NodeJS.ProcessEnv): Environment {
  const rpc = env["HEARTH_RPC_DIR"] || "/run/hearth";
  return {
    packageDir: env["HEARTH_PACKAGE_DIR"] || "/usr/lib/startos/package",
    effectsSocket: `${rpc}/effects.sock`,
    ownSocket: `${rpc}/jshost.sock`,
  };
}
