import { mount } from "svelte";
import "../app.css";
import { firstLanguage, texts } from "../i18n.svelte.js";
import Catalogue from "./Catalogue.svelte";

await texts.use(firstLanguage());
mount(Catalogue, { target: document.getElementById("page")! });
