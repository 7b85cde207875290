import { callEarly } from "./early.js";
import { firstLanguage, loaders } from "./languages.js";

// This is small so that it runs early: the first calls and the words are on their way while the page, which index.html has asked for,
// still comes.
callEarly();
void loaders[firstLanguage()]().catch(() => undefined); // who needs them hears of it
void import("./start.js");
