// A database of MariaDB that is backed up by its dump, in the image of the example that was made of a compose file.
import { Backups, definePackage } from "@hearthos/sdk";

export const { manifest, init, uninit, main, createBackup, actions } = definePackage({
  about: {
    id: "mysql-dump",
    title: "MySQL dump",
    license: "MIT",
    short: "A database that is dumped",
    long: "A database whose backup is its dump.",
    packageRepo: "https://github.com/hearthos/hearth",
    upstreamRepo: "https://mariadb.org/",
    website: "https://mariadb.org/",
  },
  versions: [{ version: "1.0.0:0", notes: "The first release." }],
  images: { db: { tag: "mariadb:10.11", arch: ["x86_64", "aarch64"] } },
  volumes: ["main", "data"],
  secrets: { app: { charset: "a-z,A-Z,0-9", len: 24 } },
  backup: async ({ secrets }) =>
    Backups.withMysqlDump({
      imageId: "db", dbVolume: "data", datadir: "/var/lib/mysql", engine: "mariadb",
      database: "app's", user: "app", password: async () => (await secrets.once()).app.reveal(),
    }).addVolume("main"),
  run: ({ secrets }) => ({
    db: {
      image: "db",
      mounts: { "/var/lib/mysql": "data" },
      env: { MARIADB_DATABASE: "app's", MARIADB_USER: "app", MARIADB_PASSWORD: secrets.app },
      ready: { command: ["sh", "-c", 'MYSQL_PWD=$MARIADB_PASSWORD mariadb --user="$MARIADB_USER" --execute="SELECT 1" "$MARIADB_DATABASE"'], name: "Database" },
    },
  }),
});
