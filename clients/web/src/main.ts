import { mount } from "svelte";
import "./app.css";
import App from "./App.svelte";
import { firstLanguage, texts } from "./i18n.svelte.js";
import { applyTheme } from "./theme.svelte.js";

applyTheme();
await texts.use(firstLanguage());
mount(App, { target: document.getElementById("page")! });
