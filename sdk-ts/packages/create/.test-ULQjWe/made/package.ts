import { action, definePackage, field, form, say, UseEntrypoint } from "@hearthos/sdk";

export const { manifest, init, uninit, main, createBackup, actions } = definePackage({
  about: {
    id: "rich",
    title: "Rich",
    license: "MIT",
    short: "Rich, on a server of your own",
    long: "Rich, on a server of your own.",
    // Where the package is developed, where the software comes from, and where people read about it.
    packageRepo: "https://example.org/rich",
    upstreamRepo: "https://example.org/upstream",
    website: "https://example.org",
  },
  // The newest last. What an update has to do with the data stands beside its version, as `up` and `down`.
  versions: [{ version: "1.0.0:0", notes: "The first release." }],
  images: {
    web: { tag: "docker.io/web:2", arch: ["x86_64", "aarch64"] },
    db: { tag: "postgres:17", arch: ["x86_64", "aarch64"] },
    mail: { tag: "mail:1", arch: ["x86_64", "aarch64"] },
  },
  volumes: ["main", "cache", "db-data"],
  // What people can change. The service starts anew when they do.
  settings: {
    form: form({
      name: field.text({ name: "Name", default: "it's \"quoted\" `here`" }),
      logLevel: field.text({ name: "Log level", default: "info" }),
      workers: field.number({ name: "Workers", integer: true, default: 4 }),
      debug: field.toggle({ name: "Debug", default: false }),
      tokenFile: field.text({ name: "Token file", default: "/run/secrets/token" }),
      empty: field.text({ name: "Empty", default: "" }),
    }),
  },
  // They are made up once, and kept.
  secrets: {
    postgresPassword: { charset: "a-z,A-Z,0-9", len: 24 },
    apiKey: { charset: "a-z,A-Z,0-9", len: 24 },
    token: { charset: "a-z,A-Z,0-9", len: 24 },
  },
  actions: ({ secrets }) => [
    action({
      id: "credentials",
      name: "Show credentials",
      description: "What was made up for this service.",
      run: async () => {
        const made = await secrets.once();
        return say("Credentials", null, {
          "Postgres password": { value: made.postgresPassword.reveal(), masked: true },
          "Api key": { value: made.apiKey.reveal(), masked: true },
          Token: { value: made.token.reveal(), masked: true },
        });
      },
    }),
  ],
  interfaces: {
    ui: { port: 80, name: "Rich", description: "The page of Rich" },
    web: { port: 443, protocol: "https", name: "Web", description: "The page of Web" },
    mail: { port: 25, protocol: "tcp", type: "api", name: "Mail", description: "Mail, for programs" },
  },
  run: async ({ settings, secrets, volumes }) => {
    await volumes.main.writeFile("made/hosts", "127.0.0.1 localhost web migrate db mail\n");
    await volumes.main.writeFile("made/token", secrets.token.reveal());
    return {
      web: {
        image: "web",
        command: new UseEntrypoint(["serve", "--key", secrets.apiKey.reveal(), `--name=${settings.name}`]),
        user: "1000",
        cwd: "/srv",
        mounts: {
          "/site": { assets: "site" },
          "/data": "main/data/data",
          "/cache": "cache",
          "/etc/app.conf": { assets: "site/app.conf" },
          "/run/secrets/token": { volume: "main", file: "made/token", readonly: true },
          "/etc/hosts": { volume: "main", file: "made/hosts", readonly: true },
        },
        env: {
          LOG_LEVEL: settings.logLevel,
          DATABASE_URL: `postgres://app:${secrets.postgresPassword.reveal()}@db:5432/app?x=$y`,
          WORKERS: String(settings.workers),
          DEBUG: String(settings.debug),
          TOKEN_FILE: settings.tokenFile,
          EMPTY: settings.empty,
        },
        after: ["db", "migrate"],
        patience: 90,
        ready: { port: 80, name: "Web" },
      },
      migrate: {
        image: "web",
        command: new UseEntrypoint(["migrate", "all of it"]),
        mounts: { "/etc/hosts": { volume: "main", file: "made/hosts", readonly: true } },
        after: ["db"],
        once: true,
      },
      db: {
        image: "db",
        mounts: { "/var/lib/postgresql/data": "db-data", "/etc/hosts": { volume: "main", file: "made/hosts", readonly: true } },
        env: {
          POSTGRES_USER: "app",
          POSTGRES_PASSWORD: secrets.postgresPassword,
          POSTGRES_DB: "app",
          PGDATA: "/var/lib/postgresql/data/pg",
        },
        ready: { command: ["pg_isready", "-U", "app"], name: "Db", grace: 30 },
      },
      mail: {
        image: "mail",
        mounts: { "/etc/hosts": { volume: "main", file: "made/hosts", readonly: true } },
        ready: { port: 25, name: "Mail" },
      },
    };
  },
});
