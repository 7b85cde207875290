import { mount } from "svelte";
import "../app.css";
import { texts } from "../i18n.svelte.js";
import { firstLanguage } from "../languages.js";
import Catalogue from "./Catalogue.svelte";

await texts.use(firstLanguage());
mount(Catalogue, { target: document.getElementById("page")! });
