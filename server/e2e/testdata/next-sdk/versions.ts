import type { VersionText } from "@hearthos/sdk";

/** The version after the sample's: its data have an exclamation mark, which a way back takes away. */
export const versions: VersionText[] = [
  { version: "1.0.0:0", notes: "The first release." },
  {
    version: "1.1.0:0",
    notes: "Louder.",
    up: ({ settings }) => settings.rewrite((old) => ({ ...old, greeting: `${old.greeting}!` })),
    down: ({ settings }) => settings.rewrite((old) => ({ ...old, greeting: old.greeting.replace(/!$/, "") })),
  },
];
