import { FileHelper, z } from "@start9labs/start-sdk";
import { sdk } from "./sdk";

export const defaults = { greeting: "Hello from Hearth", color: "#b5442c" };

/** What the page says and looks like: settings.json in the volume. A wrong or missing member has its default. */
export const settings = FileHelper.json(
  { base: sdk.volumes.main, subpath: "settings.json" },
  z.object({
    greeting: z.string().catch(defaults.greeting),
    color: z.string().catch(defaults.color),
  }),
);
