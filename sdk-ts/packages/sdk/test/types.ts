// What compiles, and what does not: the compiler is the test.
import { action, createTask, definePackage, defaults, field, file, form, published, say, VersionInfo, type Effects, type FormValue } from "@hearthos/sdk";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <T extends true>(): T => true as T;
declare const effects: Effects;

const asked = form({
  name: field.text({ name: "Name" }),
  nick: field.text({ name: "Nick", required: false }),
  kind: field.select({ name: "Kind", values: { a: "A", b: "B" }, default: "a" }),
  tags: field.texts({ name: "Tags" }),
  inner: field.object({ name: "Inner" }, form({ on: field.toggle({ name: "On", default: true }) })),
});
holds<Equal<FormValue<typeof asked>, { name: string; nick: string | null; kind: "a" | "b"; tags: string[]; inner: { on: boolean } }>>();

// @ts-expect-error: the default is none of the values
field.select({ name: "Kind", values: { a: "A" }, default: "c" });
// @ts-expect-error: a version has a downstream part
VersionInfo.of({ version: "1.0.0", releaseNotes: "", migrations: {} });

const rename = action({ id: "rename", name: "Rename", description: "d", input: asked, run: async ({ input }) => say("Renamed", input.inner.on ? input.name : input.kind) });
// @ts-expect-error: the form has no such field
action({ id: "x", name: "X", description: "d", input: asked, run: async ({ input }) => say(input.colour) });
void createTask({ effects, packageId: "other", action: published<typeof rename>("rename"), severity: "important", options: { input: { kind: "partial", accept: [{ kind: "b" }], set: { kind: "b" } } } });
// @ts-expect-error: the action is called rename
published<typeof rename>("remove");
// @ts-expect-error: the form of the action has no kind c
void createTask({ effects, packageId: "other", action: published<typeof rename>("rename"), severity: "important", options: { input: { kind: "partial", accept: [], set: { kind: "c" } } } });

const kept = file.json("/x", defaults({ retries: 3, names: ["a"], deep: { on: true } }));
void (async () => {
  const value = await kept.read().once();
  holds<Equal<typeof value, { retries: number; names: string[]; deep: { on: boolean } } | null>>();
  const retries = await kept.read((all) => all.retries).const(effects);
  holds<Equal<typeof retries, number | null>>();
  // @ts-expect-error: a number of retries
  await kept.merge(effects, { retries: "three" });
});

const about = { id: "x", title: "X", license: "MIT", short: "s", long: "l", packageRepo: "a", upstreamRepo: "b", website: "c" };
const versions = [{ version: "1.0.0:0", notes: "" }];
const made = definePackage({
  about,
  versions,
  images: { main: "x:1" },
  volumes: ["main"],
  settings: { form: asked },
  secrets: { admin: { charset: "a-z", len: 8 } },
  actions: () => [rename],
  tasks: ({ rename }) => [{ action: rename, severity: "important" }],
  run: ({ settings, secrets, volumes }) => ({
    first: { image: "main", once: true, env: { KIND: settings.kind, SECRET: secrets.admin }, command: ["a", volumes.main.path] },
    web: { image: "main", mounts: { "/data": "main/x" }, after: ["first"], ready: { port: 80, name: "Page" } },
  }),
});
const settings: Promise<FormValue<typeof asked> | null> = made.settings.read().once();
void settings;

definePackage({
  about,
  versions,
  images: { main: "x:1" },
  volumes: ["main"],
  // @ts-expect-error: there is no image "other"
  run: () => ({ web: { image: "other", ready: { port: 80 } } }),
});
definePackage({
  about,
  versions,
  images: { main: "x:1" },
  volumes: ["main"],
  // @ts-expect-error: there is no volume "other"
  run: () => ({ web: { image: "main", mounts: { "/data": "other" }, ready: { port: 80 } } }),
});
definePackage({
  about,
  versions,
  images: { main: "x:1" },
  volumes: ["main"],
  // @ts-expect-error: there is no part "nobody"
  run: () => ({ web: { image: "main", after: ["nobody"], ready: { port: 80 } } }),
});
definePackage({
  about,
  versions,
  images: { main: "x:1" },
  volumes: ["main"],
  // @ts-expect-error: a part that runs on says how it is ready
  run: () => ({ web: { image: "main" } }),
});
definePackage({
  about,
  versions,
  images: { main: "x:1" },
  volumes: ["main"],
  // @ts-expect-error: there is no volume "other"
  backup: ["other"],
  run: () => ({ web: { image: "main", ready: { port: 80 } } }),
});
