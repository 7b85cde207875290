import { sdk, uiPort } from "./sdk";

export const setInterfaces = sdk.setupInterfaces(async ({ effects }) => {
  const origin = await sdk.MultiHost.of(effects, "ui").bindPort(uiPort, { protocol: "http" });
  const ui = sdk.createInterface(effects, {
    id: "ui",
    name: "Page",
    description: "The page with the greeting",
    type: "ui",
    masked: false,
    schemeOverride: null,
    username: null,
    path: "",
    query: {},
  });
  return [await origin.export([ui])];
});
