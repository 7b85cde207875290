// The sample's version after the next, for the flow of registries: scripts/sample puts it in the place of
// startos/versions.ts. Its migration marks the greeting once more; with the greeting "fail" it fails half way through.
import { IMPOSSIBLE, VersionGraph, VersionInfo } from "@start9labs/start-sdk";
import { sdk } from "./sdk";
import { defaults, settings } from "./settings";

const first = VersionInfo.of({
  version: "1.0.0:0",
  releaseNotes: "The first release.",
  migrations: { up: async () => {}, down: IMPOSSIBLE },
});

const second = VersionInfo.of({
  version: "1.1.0:0",
  releaseNotes: "Says that it was migrated.",
  migrations: {
    up: async ({ effects }) => {
      const page = (await settings.read().once()) ?? defaults;
      await settings.merge(effects, { greeting: page.greeting + " (migrated)" });
    },
    down: async ({ effects }) => {
      const page = (await settings.read().once()) ?? defaults;
      await settings.merge(effects, { greeting: page.greeting.replace(" (migrated)", "") });
    },
  },
});

const current = VersionInfo.of({
  version: "1.2.0:0",
  releaseNotes: "Says so twice.",
  migrations: {
    up: async ({ effects }) => {
      const page = (await settings.read().once()) ?? defaults;
      await sdk.volumes.main.writeFile("migration", "begun");
      await settings.merge(effects, { greeting: page.greeting + " twice" });
      if (page.greeting === "fail") throw new Error("this migration fails");
    },
    down: async ({ effects }) => {
      const page = (await settings.read().once()) ?? defaults;
      await settings.merge(effects, { greeting: page.greeting.replace(" twice", "") });
    },
  },
});

export const versionGraph = VersionGraph.of({ current, other: [first, second] });
