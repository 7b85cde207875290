import { action, Backups, definePackage, field, form, say, task } from "@hearthos/sdk";

const server = { PGHOST: "127.0.0.1", PGUSER: "owner", PGDATABASE: "postgres" };

export const { manifest, init, uninit, main, createBackup, actions } = definePackage({
  about: {
    id: "database",
    title: "Database",
    license: "MIT",
    short: "Postgres, with a page to look into it",
    long: "A Postgres server for you and for other services, with Adminer in front of it. Backups hold a dump, which any later version reads.",
    packageRepo: "https://github.com/hearthos/hearth",
    upstreamRepo: "https://git.postgresql.org/cgit/postgresql.git",
    website: "https://www.postgresql.org/",
  },
  versions: [{ version: "15.0.0:0", notes: "The first release." }],
  images: { postgres: { tag: "postgres:15" }, adminer: { tag: "adminer:4" } },
  volumes: ["main", "data", "shared"],
  settings: {
    form: form({
      connections: field.number({ name: "Connections", description: "How many there may be at once.", min: 10, max: 1000, integer: true, default: 50 }),
      metrics: field.toggle({ name: "Metrics", description: "Lets services that depend on this one read how the server does.", default: false }),
    }),
  },
  secrets: { owner: { charset: "a-z,A-Z,0-9", len: 24 }, metrics: { charset: "a-z,A-Z,0-9", len: 32 } },
  interfaces: {
    ui: { port: 80, name: "Adminer", description: "The page to look into the database" },
    db: { port: 5432, protocol: "tcp", type: "api", scheme: { ssl: null, noSsl: "postgres" }, name: "Postgres", description: "For programs" },
  },
  actions: ({ secrets }) => [
    action({
      id: "credentials",
      name: "Show credentials",
      description: "The account to log in with",
      run: async () => say("Credentials", null, { User: "owner", Password: { value: (await secrets.once()).owner.reveal(), masked: true } }),
    }),
  ],
  tasks: ({ credentials }) => [task(credentials, "optional", { reason: "You need it to log in" })],
  backup: async ({ secrets }) =>
    Backups.withPgDump({
      imageId: "postgres", dbVolume: "data", mountpoint: "/var/lib/postgresql", pgdataPath: "/data",
      database: "postgres", user: "owner", password: async () => (await secrets.once()).owner.reveal(),
    }).addVolume("main"),
  run: async ({ settings, secrets, volumes }) => {
    await volumes.shared.writeFile("metrics/password", settings.metrics ? secrets.metrics.reveal() : "");
    return {
      postgres: {
        image: "postgres",
        mounts: { "/var/lib/postgresql": "data", "/etc/postgres": { assets: "postgres" } },
        env: { POSTGRES_USER: "owner", POSTGRES_DB: "postgres", POSTGRES_PASSWORD: secrets.owner, PGDATA: "/var/lib/postgresql/data" },
        command: ["entrypoint", "postgres", "-c", "listen_addresses=*", "-c", "hba_file=/etc/postgres/hba.conf", "-c", `max_connections=${settings.connections}`],
        signal: "SIGINT",
        ready: { command: ["pg_isready", "-q", "-h", "127.0.0.1"], name: "Postgres" },
      },
      roles: {
        image: "postgres",
        once: true,
        after: ["postgres"],
        mounts: { "/etc/postgres": { assets: "postgres" } },
        env: { ...server, PGPASSWORD: secrets.owner, METRICS_PASSWORD: secrets.metrics },
        command: ["psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", `/etc/postgres/metrics-${settings.metrics ? "on" : "off"}.sql`],
      },
      adminer: { image: "adminer", mounts: { "/etc/adminer": { assets: "adminer" } }, after: ["postgres"], ready: { port: 80, name: "Page" } },
    };
  },
});
