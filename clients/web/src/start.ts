import { mount } from "svelte";
import "./app.css";
import App from "./App.svelte";
import { areaOf } from "./areas.js";
import { texts } from "./i18n.svelte.js";
import { firstLanguage } from "./languages.js";
import { live } from "./live/index.svelte.js";
import { router } from "./router.svelte.js";
import { applyTheme } from "./theme.svelte.js";

applyTheme();
// What the first picture needs is asked for at once; whoever needs it hears of what failed.
if (live.active) {
  void live.begin().catch(() => undefined);
  void areaOf(router.route.page)?.().catch(() => undefined);
}
await texts.use(firstLanguage());
const target = document.getElementById("page")!;
target.replaceChildren();
mount(App, { target });
void texts.complete().catch(() => undefined); // the server's words stand for them

// The worker keeps the files of the page. A browser has none for a server whose root it does not trust; the page does without.
if (import.meta.env.PROD && "serviceWorker" in navigator) void navigator.serviceWorker.register("/worker.js").catch(() => undefined);
