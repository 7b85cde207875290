import { definePackage, host, published, task } from "@hearthos/sdk";
import type { Settings } from "./database.js";

export const { manifest, init, uninit, main, createBackup, actions } = definePackage({
  about: {
    id: "database-metrics",
    title: "Database metrics",
    license: "MIT",
    short: "How your database does, for Prometheus",
    long: "Reads the statistics of the service Database and shows them in the form that Prometheus reads.",
    packageRepo: "https://github.com/hearthos/hearth",
    upstreamRepo: "https://github.com/prometheus-community/postgres_exporter",
    website: "https://prometheus.io/",
  },
  versions: [{ version: "0.11.0:0", notes: "The first release." }],
  images: { exporter: { tag: "postgres-exporter:0.11" } },
  volumes: ["main"],
  needs: { database: { title: "Database", versions: ">=15.0.0:0", running: ["postgres"], why: "Whose statistics are read" } },
  tasks: () => [
    task(published<Settings>("settings"), "critical", {
      of: "database",
      reason: "The database does not show its statistics yet",
      when: { condition: "input-not-matches", once: false },
      input: { kind: "partial", accept: [{ metrics: true }], set: { metrics: true } },
    }),
  ],
  interfaces: { metrics: { port: 9187, type: "api", path: "/metrics", name: "Metrics", description: "For Prometheus" } },
  run: async ({ effects }) => {
    const database = await host.bridgeAddress(effects, { packageId: "database", hostId: "db", internalPort: 5432, fallbackPort: 5432 }).const();
    return {
      exporter: {
        image: "exporter",
        mounts: { "/run/database": { from: "database", volume: "shared", folder: "metrics" } },
        env: { DATA_SOURCE_URI: `${database}/postgres?sslmode=disable`, DATA_SOURCE_USER: "metrics", DATA_SOURCE_PASS_FILE: "/run/database/password" },
        ready: {
          name: "Metrics",
          check: async () => {
            const said = await fetch("http://127.0.0.1:9187/metrics").then((answer) => answer.text(), () => "");
            return /^pg_up 1$/m.test(said) ? { result: "success", message: "The database tells its statistics" } : { result: "failure", message: "The database does not tell its statistics" };
          },
        },
      },
    };
  },
});
