// The sample's next version, for the tests of updates: scripts/sample puts it in the place of startos/versions.ts. What
// its migration does is decided by the greeting that it finds: "fail" and "hang" let it do so, half way through.
import { IMPOSSIBLE, VersionGraph, VersionInfo } from "@start9labs/start-sdk";
import { sdk } from "./sdk";
import { defaults, settings } from "./settings";

const mark = " (migrated)";

const first = VersionInfo.of({
  version: "1.0.0:0",
  releaseNotes: "The first release.",
  migrations: { up: async () => {}, down: IMPOSSIBLE },
});

const current = VersionInfo.of({
  version: "1.1.0:0",
  releaseNotes: "Says that it was migrated.",
  migrations: {
    up: async ({ effects }) => {
      const page = (await settings.read().once()) ?? defaults;
      await sdk.volumes.main.writeFile("migration", "begun");
      await settings.merge(effects, { greeting: page.greeting + mark });
      if (page.greeting === "fail") throw new Error("this migration fails");
      if (page.greeting === "hang") await new Promise(() => setInterval(() => {}, 1000));
    },
    down: async ({ effects }) => {
      const page = (await settings.read().once()) ?? defaults;
      await settings.merge(effects, { greeting: page.greeting.replace(mark, "") });
    },
  },
});

export const versionGraph = VersionGraph.of({ current, other: [first] });
