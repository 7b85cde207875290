import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { succeed } from "./commands.js";
import type { Effects } from "./effects.js";
import type { BackupHook } from "./hooks.js";
import { Mounts } from "./mounts.js";
import { place } from "./places.js";
import { MadeSubContainer } from "./subcontainer.js";
import { delay } from "./values.js";
import type { StopSignal } from "./daemons/command.js";

/** A password, or what gives it when it is needed; null is none. */
export type LazyPassword = string | (() => string | Promise<string>) | null;
type Shape = { images: Record<string, unknown>; volumes: readonly string[] };
interface Database<M extends Shape> {
  imageId: keyof M["images"] & string;
  dbVolume: M["volumes"][number];
  database: string;
  user: string;
  password: LazyPassword;
  /** How long the database may take to begin, in milliseconds. */
  readyTimeout?: number;
}
export interface PgDumpConfig<M extends Shape> extends Database<M> {
  mountpoint: string;
  pgdataPath: string;
  initdbArgs?: string[];
  pgOptions?: string;
}
export interface MysqlDumpConfig<M extends Shape> extends Database<M> {
  datadir: string;
  engine: "mysql" | "mariadb";
  readyCommand?: string[];
  mysqldOptions?: string[];
}
export interface DumpHooks {
  backup: BackupHook;
  restore: BackupHook;
}

type Made = MadeSubContainer<any>;
const scratch = "/tmp/hearth-dump";

const passwordOf = async (password: LazyPassword) => (typeof password === "function" ? password() : (password ?? ""));

async function ready(what: string, timeoutMs: number, look: () => Promise<boolean>, ended: () => string | null): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await look())) {
    const died = ended();
    if (died !== null) throw new Error(`${what} ended before it was ready: ${died}`);
    if (Date.now() > end) throw new Error(`${what} was not ready within ${timeoutMs} ms`);
    await delay(500);
  }
}

// Runs a server in a subcontainer for as long as a function takes. Its end is waited for: it writes until then.
async function serving<T>(made: Made, command: string[], options: { user: string; stopSignal: StopSignal }, isReady: () => Promise<boolean>, timeoutMs: number, fn: () => Promise<T>): Promise<T> {
  const server = await made.spawn(command, options);
  const exited = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  const ended = () => (server.exitCode === null && server.signalCode === null ? null : String(server.exitCode ?? server.signalCode));
  try {
    await ready(command[0]!, timeoutMs, isReady, ended);
    return await fn();
  } finally {
    server.kill(options.stopSignal);
    await exited;
  }
}

// A dump is made on the layer of the subcontainer and copied as a whole: backups may lie where programs that write in
// pieces lose some.
async function carry(from: string, to: string): Promise<void> {
  await mkdir(join(to, ".."), { recursive: true });
  await copyFile(from, to);
}

function inContainer(effects: Effects, imageId: string, volume: string, mountpoint: string, name: string, fn: (made: Made) => Promise<void>): Promise<void> {
  const mounts = Mounts.of<string>().mountVolume({ volumeId: volume, subpath: null, mountpoint, readonly: false });
  return MadeSubContainer.with(effects, { imageId }, mounts, name, async (made) => {
    await made.execFail(["mkdir", "-p", scratch], { user: "root" });
    await made.execFail(["chmod", "777", scratch], { user: "root" });
    await fn(made);
  });
}

/** How a database of Postgres is dumped and read back. The server listens on a socket of the subcontainer only. */
export function pgDump<M extends Shape>(config: PgDumpConfig<M>): DumpHooks {
  const { database, user, mountpoint, pgdataPath, readyTimeout = 60_000 } = config;
  const file = join(place("backup"), `${database}-db.dump`);
  const pgdata = join(mountpoint, pgdataPath);
  const asPostgres = { user: "postgres" };
  const socket = ["-h", scratch, "-U", user];
  const server = ["postgres", "-D", pgdata, "-c", "listen_addresses=", "-c", `unix_socket_directories=${scratch}`, ...(config.pgOptions ? config.pgOptions.split(/\s+/) : [])];
  const run = (made: Made, fn: () => Promise<void>) => serving(made, server, { ...asPostgres, stopSignal: "SIGINT" }, async () => (await made.exec(["pg_isready", ...socket], asPostgres)).exitCode === 0, readyTimeout, fn);
  const on = (effects: Effects, fn: (made: Made) => Promise<void>) => inContainer(effects, config.imageId, config.dbVolume, mountpoint, "pg-dump", fn);
  return {
    backup: (effects) =>
      on(effects, (made) =>
        run(made, async () => {
          await made.execFail(["pg_dump", ...socket, "-Fc", "-f", `${scratch}/dump`, database], asPostgres, null);
          await carry(made.subpath(`${scratch}/dump`), file);
        }),
      ),
    restore: (effects) =>
      on(effects, async (made) => {
        const password = await passwordOf(config.password);
        await made.execFail(["mkdir", "-p", pgdata], { user: "root" });
        await made.execFail(["find", pgdata, "-mindepth", "1", "-delete"], { user: "root" }, null);
        await made.execFail(["chown", "-R", "postgres:postgres", mountpoint], { user: "root" });
        await made.writeFile(`${scratch}/password`, password, { mode: 0o644 });
        const auth = password === "" ? [] : [`--pwfile=${scratch}/password`];
        await made.execFail(["initdb", "-D", pgdata, "-U", user, ...auth, ...(config.initdbArgs ?? [])], asPostgres, null);
        await carry(file, made.subpath(`${scratch}/dump`));
        await made.execFail(["chmod", "644", `${scratch}/dump`], { user: "root" });
        await run(made, async () => {
          // A new server has databases already, and one of them may be the one that was dumped.
          const there = await made.execFail(["psql", ...socket, "-d", "template1", "-Atc", "SELECT datname FROM pg_database"], asPostgres);
          if (!String(there.stdout).split("\n").includes(database)) await made.execFail(["createdb", ...socket, database], asPostgres, null);
          await made.execFail(["pg_restore", ...socket, "-d", database, "--no-owner", `${scratch}/dump`], asPostgres, null);
          // A server that is made later to listen asks for the password by its own configuration.
          if (password !== "") await made.execFail(["psql", ...socket, "-d", database, "-v", "ON_ERROR_STOP=1", "-c", `ALTER ROLE "${user.replaceAll('"', '""')}" WITH PASSWORD '${password.replaceAll("'", "''")}'`], asPostgres);
        });
      }),
  };
}

/** How a database of MySQL or MariaDB is dumped and read back. */
export function mysqlDump<M extends Shape>(config: MysqlDumpConfig<M>): DumpHooks {
  const { database, user, datadir, engine, readyTimeout = 30_000 } = config;
  const file = join(place("backup"), `${database}-db.dump`);
  const maria = engine === "mariadb";
  const socket = `--socket=${scratch}/mysql.sock`;
  const asMysql = { user: "mysql" };
  const server = (extra: string[] = []) => [maria ? "mariadbd" : "mysqld", `--datadir=${datadir}`, socket, `--pid-file=${scratch}/mysql.pid`, "--skip-networking", ...extra, ...(config.mysqldOptions ?? [])];
  const client = maria ? "mariadb" : "mysql";
  const look = (made: Made) => async () => (await made.exec(config.readyCommand ?? [maria ? "mariadb-admin" : "mysqladmin", socket, "ping"], { user: "root" })).exitCode === 0;
  const on = (effects: Effects, fn: (made: Made) => Promise<void>) => inContainer(effects, config.imageId, config.dbVolume, datadir, "mysql-dump", fn);
  const login = async (made: Made) => {
    const password = await passwordOf(config.password);
    await made.writeFile(`${scratch}/login`, `[client]\nuser="${user}"\npassword="${password.replace(/[\\"]/g, "\\$&")}"\n`, { mode: 0o600 });
    return [`--defaults-extra-file=${scratch}/login`, socket];
  };
  return {
    backup: (effects) =>
      on(effects, async (made) => {
        const args = await login(made);
        await serving(made, server(), { ...asMysql, stopSignal: "SIGTERM" }, look(made), readyTimeout, async () => {
          const dump = [maria ? "mariadb-dump" : "mysqldump", ...args, "--single-transaction", "--routines", "--triggers", `--result-file=${scratch}/dump`, database];
          await made.execFail(dump, { user: "root" }, null);
        });
        await carry(made.subpath(`${scratch}/dump`), file);
      }),
    restore: (effects) =>
      on(effects, async (made) => {
        const password = await passwordOf(config.password);
        await made.execFail(["sh", "-c", `find "$1" -mindepth 1 -delete && chown mysql:mysql "$1"`, "sh", datadir], { user: "root" }, null);
        const init = maria ? ["mariadb-install-db", "--user=mysql", `--datadir=${datadir}`, "--auth-root-authentication-method=normal"] : ["mysqld", "--initialize-insecure", "--user=mysql", `--datadir=${datadir}`];
        await made.execFail(init, { user: "root" }, null);
        const quote = (text: string) => `'${text.replace(/[\\']/g, "\\$&")}'`;
        const name = `\`${database.replaceAll("`", "``")}\``;
        const root = user === "root" ? [`ALTER USER 'root'@'localhost' IDENTIFIED BY ${quote(password)};`] : [`CREATE USER ${quote(user)}@'%' IDENTIFIED BY ${quote(password)};`, `GRANT ALL ON ${name}.* TO ${quote(user)}@'%';`];
        await carry(file, made.subpath(`${scratch}/dump`));
        await serving(made, server(), { ...asMysql, stopSignal: "SIGTERM" }, look(made), readyTimeout, async () => {
          // A new MariaDB has an account without a name at this machine, and the server takes whoever comes from here for that one.
          const nameless = maria ? ["DELETE FROM mysql.global_priv WHERE User = '';"] : [];
          const input = [`CREATE DATABASE ${name};`, `USE ${name};`, `SOURCE ${scratch}/dump;`, ...root, ...nameless, "FLUSH PRIVILEGES;"].join("\n");
          await made.execFail([client, socket, "--user=root"], { user: "root", input }, null);
        });
      }),
  };
}

/** Shows the folder of the backup within a root. */
export async function mountBackupTarget(rootfs: string, containerPath = "/backup-target"): Promise<void> {
  await mkdir(join(rootfs, containerPath), { recursive: true });
  await succeed("mount", ["--rbind", place("backup"), join(rootfs, containerPath)]);
}
