import { mount } from "svelte";
import "./app.css";
import App from "./App.svelte";
import { areaOf } from "./areas.js";
import { texts } from "./i18n.svelte.js";
import { firstLanguage } from "./languages.js";
import { live } from "./live/index.svelte.js";
import { router } from "./router.svelte.js";
import { applyTheme } from "./theme.svelte.js";
import { warm } from "./ui/when.js";

applyTheme();
// What the first picture needs is asked for at once; whoever needs it hears of what failed.
const begun = live.active ? live.begin().catch(() => undefined) : undefined;
if (begun) void areaOf(router.route.page)?.().catch(() => undefined);
await texts.use(firstLanguage());
if (document.readyState === "loading") await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve));
if (begun) for (const steps = warm(); !steps.next().done; ) await new Promise((resolve) => setTimeout(resolve));
// The answer to who calls is mostly there by now: what is seen until it is need not be built then.
await Promise.race([begun, new Promise((resolve) => setTimeout(resolve, 1000))]);
const target = document.getElementById("page")!;
target.replaceChildren();
mount(App, { target });

// What nobody waits for comes after what people came for: the words for what can fail, for which the server's stand until then, and the
// worker, which keeps the files of the page. A browser has none for a server whose root it does not trust; the page does without.
void live.settled().then(() => {
  void texts.complete().catch(() => undefined);
  if (import.meta.env.PROD && "serviceWorker" in navigator) void navigator.serviceWorker.register("/worker.js").catch(() => undefined);
});
