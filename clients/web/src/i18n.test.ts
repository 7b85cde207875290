import { beforeAll, expect, test, vi } from "vitest";
import { counted, texts } from "./i18n.svelte.js";

beforeAll(() => {
  vi.stubGlobal("document", { documentElement: {} });
  vi.stubGlobal("navigator", { languages: [] });
});

test("what is counted has the form of its number", async () => {
  await texts.use("pl");
  expect([1, 2, 5, 12, 22, 25].map((n) => counted("page.home.tasks", n))).toEqual(["1 zadanie", "2 zadania", "5 zadań", "12 zadań", "22 zadania", "25 zadań"]);
  await texts.use("fr");
  expect([0, 1, 2].map((n) => counted("page.home.tasks", n))).toEqual(["0 tâches", "1 tâche", "2 tâches"]);
});
