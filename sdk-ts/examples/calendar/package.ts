import { action, definePackage, field, form, MadeSubContainer, Mounts, say, task } from "@hearthos/sdk";
import { radicaleConfig, proxyConfig } from "./config";

const person = field.text({ name: "Name", description: "The name to log in with.", patterns: [{ regex: "^[a-z][a-z0-9._-]{0,30}$", description: "Small letters, digits, dots and dashes" }] });

let lock: MadeSubContainer | undefined;

export const { manifest, init, uninit, main, createBackup, actions } = definePackage({
  about: {
    id: "calendar",
    title: "Calendar",
    license: "MIT",
    short: "Calendars and contacts for your devices",
    long: "Radicale keeps calendars, tasks and contacts, and phones and computers reach them by CalDAV and CardDAV.",
    packageRepo: "https://github.com/hearthos/hearth",
    upstreamRepo: "https://github.com/Kozea/Radicale",
    website: "https://radicale.org/",
  },
  versions: [{ version: "3.1.8:0", notes: "The first release." }],
  images: { radicale: { tag: "radicale:3.1" } },
  volumes: ["main"],
  secrets: { admin: { charset: "a-z,A-Z,0-9", len: 20 } },
  settings: {
    form: form({
      rights: field.select({
        name: "Who sees what",
        values: { owner_only: "Each their own", owner_write: "All see all, each changes their own", authenticated: "All see and change all" },
        default: "owner_only",
      }),
      proxy: field.object(
        { name: "Reverse proxy", description: "What stands between the server's door and Radicale." },
        form({
          upload: field.number({ name: "Largest upload", units: "MB", min: 1, max: 1000, integer: true, default: 100 }),
          delay: field.number({ name: "Wait after a wrong password", units: "s", min: 0, max: 60, default: 1 }),
          addresses: field.toggle({ name: "Log addresses", description: "Writes who asked into the log, as the door tells it.", default: false }),
          headers: field.objects({
            name: "Headers",
            description: "Are added to each answer.",
            of: form({
              name: field.text({ name: "Name", patterns: [{ regex: "^[A-Za-z][A-Za-z0-9-]*$", description: "Letters, digits and dashes" }] }),
              value: field.text({ name: "Value", patterns: [{ regex: '^[^"\\\\]*$', description: "No quotes" }] }),
            }),
            displayAs: "{{name}}",
            uniqueBy: "name",
          }),
        }),
      ),
    }),
  },
  interfaces: { ui: { port: 80, name: "Calendars", description: "The page, and the address for devices", addSsl: { addXForwardedHeaders: true } } },
  actions: ({ secrets, volumes }) => [
    action({
      id: "credentials",
      name: "Show credentials",
      description: "The first account",
      run: async () => say("Credentials", null, { User: "admin", Password: { value: (await secrets.once()).admin.reveal(), masked: true } }),
    }),
    action({
      id: "set-person",
      name: "Add a person",
      description: "Makes an account, or gives one another password.",
      input: form({ name: person, password: field.text({ name: "Password", masked: true, minLength: 8, generate: { charset: "a-z,A-Z,0-9", len: 16 } }) }),
      run: async ({ effects, input }) => {
        const { stdout } = await MadeSubContainer.with(effects, { imageId: "radicale" }, null, "hash", (made) => made.execFail(hash, { input: input.password }));
        const others = (await people(volumes.main)).filter((line) => !line.startsWith(`${input.name}:`));
        await volumes.main.writeFile("people", [...others, `${input.name}:${String(stdout).trim()}`, ""].join("\n"));
        return say("Done", `${input.name} can log in.`);
      },
    }),
    action({
      id: "remove-person",
      name: "Remove a person",
      description: "Takes an account away. Calendars stay.",
      input: form({ name: person }),
      run: async ({ input }) => volumes.main.writeFile("people", [...(await people(volumes.main)).filter((line) => !line.startsWith(`${input.name}:`)), ""].join("\n")),
    }),
  ],
  quiet: {
    // Who reads goes on; who writes waits.
    freeze: async ({ effects }) => {
      lock ??= await MadeSubContainer.make(effects, { imageId: "radicale" }, Mounts.of().mountVolume({ volumeId: "main", subpath: null, mountpoint: "/data", readonly: false }), "lock");
      const holder = await lock.spawn(["flock", "--shared", "/data/collections/.Radicale.lock", "sh", "-c", "echo; exec sleep infinity"], { user: "radicale", stdio: "pipe" });
      await new Promise((resolve, reject) => (holder.stdout!.once("data", resolve), holder.once("exit", reject)));
    },
    thaw: async () => {
      await lock?.destroy();
      lock = undefined;
    },
  },
  tasks: ({ credentials }) => [task(credentials, "important", { reason: "Keep the first account" })],
  run: async ({ settings, secrets, volumes }) => {
    const [radicale, proxy] = [radicaleConfig(settings), proxyConfig(settings.proxy)];
    await volumes.main.writeFile("config/radicale", radicale);
    await volumes.main.writeFile("config/lighttpd.conf", proxy);
    const mounts = { "/data": "main" } as const;
    return {
      first: { image: "radicale", once: true, mounts, env: { PASSWORD: secrets.admin }, command: ["sh", "-c", 'cd /data; mkdir -p collections; grep -qs ^admin: people || echo "admin:$(printf %s "$PASSWORD" | python3 -c "$0")" >> people; chown -R radicale: .', hash[2]] },
      radicale: { image: "radicale", mounts, user: "radicale", command: ["radicale", "--config", "/data/config/radicale"], from: radicale, after: ["first"], ready: { port: 5232 } },
      proxy: { image: "radicale", mounts, command: ["lighttpd", "-D", "-f", "/data/config/lighttpd.conf"], from: proxy, after: ["radicale"], ready: { url: "http://127.0.0.1/.web/", name: "Page" } },
    };
  },
});

const hash: [string, string, string] = ["python3", "-c", "import sys; from passlib.hash import bcrypt; print(bcrypt.hash(sys.stdin.read()))"];

async function people(volume: { readFile(path: string, encoding: "utf8"): Promise<string | Buffer> }): Promise<string[]> {
  const text = await volume.readFile("people", "utf8").catch(() => "");
  return String(text).split("\n").filter(Boolean);
}
