import type { VersionText } from "@hearthos/sdk";

export const versions: VersionText[] = [{ version: "1.0.0:0", notes: "The first release." }];
