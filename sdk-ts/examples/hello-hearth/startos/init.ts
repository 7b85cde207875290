import { actions, setGreeting } from "./actions";
import { restoreInit } from "./backups";
import { setInterfaces } from "./interfaces";
import { sdk } from "./sdk";
import { defaults, settings } from "./settings";
import { versionGraph } from "./versions";

const setDependencies = sdk.setupDependencies(async () => ({}));

/** Makes sure the settings exist, and asks a person who installed the package to choose a greeting. */
const prepare = sdk.setupOnInit(async (effects, kind, progress) => {
  const phase = progress.addPhase("Preparing the page");
  phase.start();
  await settings.merge(effects, (await settings.read().once()) ?? defaults);
  if (kind === "install") {
    await sdk.action.createOwnTask(effects, setGreeting, "important", { reason: "Choose what your page says" });
  }
  phase.complete();
});

export const init = sdk.setupInit(restoreInit, versionGraph, setInterfaces, setDependencies, actions, prepare);
export const uninit = sdk.setupUninit(versionGraph);
