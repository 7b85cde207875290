import { mount } from "svelte";
import "./app.css";
import App from "./App.svelte";
import { firstLanguage, texts } from "./i18n.svelte.js";
import { applyTheme } from "./theme.svelte.js";

applyTheme();
await texts.use(firstLanguage());
mount(App, { target: document.getElementById("page")! });

// The worker keeps the files of the page. A browser has none for a server whose root it does not trust; the page does without.
if (import.meta.env.PROD && "serviceWorker" in navigator) void navigator.serviceWorker.register("/worker.js").catch(() => undefined);
