import { StartSdk } from "@start9labs/start-sdk";
import { manifest } from "./manifest";

export const sdk = StartSdk.of().withManifest(manifest).build(true);

/** The port that lighttpd listens on, as in assets/lighttpd.conf. */
export const uiPort = 80;
