import { callEarly } from "./early.js";
import { firstLanguage, loaders } from "./languages.js";

// This is small so that it runs early: the first calls and the words are on their way while the page, which index.html has asked for,
// still comes.
callEarly();
void loaders[firstLanguage()]().catch(() => undefined); // who needs them hears of it
void begin();

/**
 * Begins the page. Its files are evaluated one by one, each in a task of its own, so that whoever touches the page meanwhile is heard: all
 * at once they keep a slow device for a fifth of a second. Where index.html names none, as while it is worked on, nothing is gained.
 */
async function begin(): Promise<void> {
  for (const { href } of document.querySelectorAll<HTMLLinkElement>("link[rel=modulepreload]")) {
    await import(/* @vite-ignore */ href).catch(() => undefined); // who needs it hears of it
    await new Promise((resolve) => setTimeout(resolve));
  }
  await import("./start.js");
}
