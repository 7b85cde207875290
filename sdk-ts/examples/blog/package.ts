import { action, definePackage, field, form, say, UseEntrypoint } from "@hearthos/sdk";

export const { manifest, init, uninit, main, createBackup, actions } = definePackage({
  about: {
    id: "blog",
    title: "Blog",
    license: "MIT",
    short: "WordPress with its database",
    long: "WordPress with its database.",
    // Where the package is developed, where the software comes from, and where people read about it.
    packageRepo: "https://example.org/blog",
    upstreamRepo: "https://example.org/upstream",
    website: "https://example.org",
  },
  // The newest last. What an update has to do with the data stands beside its version, as `up` and `down`.
  versions: [{ version: "1.0.0:0", notes: "The first release." }],
  images: { db: { tag: "mariadb:10.11", arch: ["x86_64", "aarch64"] }, web: { tag: "wordpress:6.1", arch: ["x86_64", "aarch64"] } },
  volumes: ["main", "database", "content"],
  // What people can change. The service starts anew when they do.
  settings: {
    form: form({
      wordpressDebug: field.toggle({ name: "Wordpress debug", default: false }),
      uploadLimit: field.number({ name: "Upload limit", integer: true, default: 64 }),
      siteTitle: field.text({ name: "Site title", default: "A blog of my own" }),
    }),
  },
  // They are made up once, and kept.
  secrets: { dbPassword: { charset: "a-z,A-Z,0-9", len: 24 } },
  actions: ({ secrets }) => [
    action({
      id: "credentials",
      name: "Show credentials",
      description: "What was made up for this service.",
      run: async () => {
        const made = await secrets.once();
        return say("Credentials", null, { "Db password": { value: made.dbPassword.reveal(), masked: true } });
      },
    }),
  ],
  interfaces: { ui: { port: 80, name: "Blog", description: "The page of Blog" } },
  run: async ({ settings, secrets, volumes }) => {
    await volumes.main.writeFile("made/hosts", "127.0.0.1 localhost db web\n");
    return {
      db: {
        image: "db",
        command: new UseEntrypoint(["--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_ci"]),
        mounts: { "/var/lib/mysql": "database", "/etc/hosts": { volume: "main", file: "made/hosts", readonly: true } },
        env: { MARIADB_DATABASE: "blog", MARIADB_USER: "blog", MARIADB_PASSWORD: secrets.dbPassword, MARIADB_RANDOM_ROOT_PASSWORD: "yes" },
        ready: {
          command: ["sh", "-c", "mariadb-admin ping --user=\"$MARIADB_USER\" --password=\"$MARIADB_PASSWORD\""],
          name: "Db",
          grace: 60,
        },
      },
      web: {
        image: "web",
        mounts: {
          "/var/lib/wordpress": "content",
          "/etc/wordpress/php.ini": { assets: "php.ini" },
          "/etc/hosts": { volume: "main", file: "made/hosts", readonly: true },
        },
        env: {
          WORDPRESS_DB_HOST: "db",
          WORDPRESS_DB_NAME: "blog",
          WORDPRESS_DB_USER: "blog",
          WORDPRESS_DB_PASSWORD: secrets.dbPassword,
          WORDPRESS_DEBUG: String(settings.wordpressDebug),
          UPLOAD_LIMIT: String(settings.uploadLimit),
          SITE_TITLE: settings.siteTitle,
        },
        after: ["db"],
        ready: { port: 80, name: "Web" },
      },
    };
  },
});
