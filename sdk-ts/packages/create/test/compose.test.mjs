import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";
import { importCompose } from "../src/compose.mjs";
import { WrongFile } from "../src/compose-values.mjs";
import { filesOf } from "../src/project.mjs";
import { expression } from "../src/text.mjs";

const scratch = fileURLToPath(new URL("..", import.meta.url));
const example = fileURLToPath(new URL("../../../examples/blog", import.meta.url));
const about = { id: "made", title: "Made", about: "Made of a compose file" };

/** A folder with files, gone after the test. */
function folder(t, files) {
  const dir = mkdtempSync(join(scratch, ".test-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), content);
  }
  return dir;
}
const imported = (t, text, files = {}) => {
  const { model, notes } = importCompose(join(folder(t, { ...files, "compose.yaml": text }), "compose.yaml"), about);
  return { model, notes, code: String(filesOf(model, {})["package.ts"]) };
};
const service = (lines, top = "") => `services:\n  app:\n    image: app:1\n${lines.split("\n").map((line) => `    ${line}\n`).join("")}${top}`;

test("the example is what is made of its compose file", () => {
  const { model } = importCompose(join(example, "compose/compose.yaml"), { id: "blog", title: "Blog", about: "WordPress with its database" });
  const files = filesOf(model, { "@hearthos/sdk": "0.1.0" });
  for (const name of ["package.ts", "package.test.mjs", "checks/page.mjs", "package.json", ".gitignore", "assets/php.ini"]) assert.equal(readFileSync(join(example, name), "utf8"), String(files[name]), name);
});

const rich = `
name: rich
x-common: &common
  restart: always
  environment: &env
    LOG_LEVEL: info
services:
  web:
    <<: *common
    image: "\${REGISTRY:-docker.io}/web:\${TAG}"
    command: ["serve", "--key", "\${API_KEY}", "--name=\${NAME:-it's \\"quoted\\" \`here\`}"]
    user: "1000"
    working_dir: /srv
    stop_grace_period: 1m30s
    stop_signal: int
    environment:
      <<: *env
      DATABASE_URL: "postgres://app:hunter22@db:5432/app?x=$$y"
      WORKERS: 4
      DEBUG: "false"
      TOKEN_FILE: /run/secrets/token
      EMPTY:
    ports: ["8080:80", "127.0.0.1:9000:9000", "53:53/udp", { target: 443, published: "8443", app_protocol: https }]
    volumes:
      - ./site:/site:ro
      - ./data:/data
      - cache:/cache
      - /var/run/docker.sock:/var/run/docker.sock
      - type: tmpfs
        target: /tmp
    depends_on:
      db: { condition: service_healthy }
      migrate: { condition: service_completed_successfully }
    secrets: [token]
    configs: [{ source: conf, target: /etc/app.conf }]
    privileged: true
  migrate:
    image: "docker.io/web:2"
    command: migrate 'all of it'
    depends_on: [db]
  db:
    image: postgres:17
    environment: [POSTGRES_USER=app, POSTGRES_PASSWORD=hunter22, POSTGRES_DB=app, PGDATA=/var/lib/postgresql/data/pg]
    volumes: ["db_data:/var/lib/postgresql/data"]
    healthcheck: { test: ["CMD", "pg_isready", "-U", "app"], start_period: 30s }
    expose: ["5432"]
  mail:
    image: mail:1
    ports: ["25:25"]
    env_file: mail.env
  tools:
    image: tools:1
    profiles: [debug]
volumes: { cache: {}, db_data: { external: true } }
secrets: { token: { file: ./token } }
configs: { conf: { file: ./site/app.conf } }
`;

test("all kinds of things are taken over, and what is not is told", (t) => {
  const dir = folder(t, { "compose.yaml": rich, ".env": "TAG=2\n", "site/app.conf": "a", "site/index.html": "b", "data/old": "c", "mail.env": "# of mail\nMAIL_HOST='mail.example.org'\nMAIL_PRICE=5$\n" });
  const { model, notes } = importCompose(join(dir, "compose.yaml"), about);
  const { web, migrate, db, mail } = model.parts;
  assert.deepEqual(model.volumes, ["main", "cache", "db-data"]);
  assert.deepEqual([...model.files.keys()].sort(), ["assets/site/app.conf", "assets/site/index.html"]);
  assert.deepEqual(Object.keys(model.parts).sort(), ["db", "mail", "migrate", "web"]);
  assert.equal(model.images["web"], '{ tag: "docker.io/web:2", arch: ["x86_64", "aarch64"] }');
  assert.equal(migrate.image, "web");
  assert.equal(migrate.once, true);
  assert.deepEqual(migrate.command, [["migrate"], ["all of it"]]);
  assert.deepEqual(web.after, ["db", "migrate"]);
  assert.equal(web.patience, 90);
  assert.equal(web.signal, "SIGINT");
  assert.deepEqual(Object.fromEntries(web.env)["DATABASE_URL"], ["postgres://app:", { secret: "postgresPassword" }, "@db:5432/app?x=$y"]);
  assert.deepEqual(Object.fromEntries(db.env)["POSTGRES_PASSWORD"], [{ secret: "postgresPassword" }]);
  assert.deepEqual(Object.fromEntries(db.env)["PGDATA"], ["/var/lib/postgresql/data/pg"]);
  assert.deepEqual(web.command[2], [{ secret: "apiKey" }]);
  assert.deepEqual(db.ready, { name: "Db", grace: 30, command: [["pg_isready"], ["-U"], ["app"]] });
  assert.deepEqual(mail.ready, { name: "Mail", port: 25 });
  assert.deepEqual(Object.fromEntries(web.mounts), {
    "/site": '{ assets: "site" }', "/data": '"main/data/data"', "/cache": '"cache"', "/run/secrets/token": '{ volume: "main", file: "made/token", readonly: true }',
    "/etc/app.conf": '{ assets: "site/app.conf" }', "/etc/hosts": '{ volume: "main", file: "made/hosts", readonly: true }',
  });
  assert.deepEqual(Object.keys(model.interfaces), ["ui", "web", "mail"]);
  assert.deepEqual(Object.fromEntries(model.settings.map(({ key, kind, value }) => [key, `${kind} ${value}`])), {
    name: "text it's \"quoted\" `here`", logLevel: "text info", workers: "number 4", debug: "toggle false", tokenFile: "text /run/secrets/token", empty: "text ", mailHost: "text mail.example.org", mailPrice: "text 5$",
  });
  for (const note of [/tools is left out/, /privileged is not taken over/, /9000 is for the machine alone/, /53\/udp is not taken over/, /docker\.sock of the machine is not mounted/, /what is in \.\/data is not taken along/, /volume db_data is one that was there before/]) {
    assert.ok(notes.some((one) => note.test(one)), `${note} in ${notes.join("; ")}`);
  }
});

const shared = `
services:
  shop:
    image: shop:1
    env_file: .env
    environment: { DATABASE_URL: "postgres://\${STORE_USER}:\${STORE_PASSWORD}@postgres/\${STORE_NAME}", THEME: "\${THEME}" }
    volumes: ["\${PHOTOS}:/photos"]
    ports: ["3000:3000"]
    tmpfs: ["/tmp", "/run:size=8m"]
  worker:
    image: shop:1
    env_file: .env
    environment: { DB_HOST: postgres, LANGUAGE: en }
    tmpfs: /tmp
    volumes: [{ type: tmpfs, target: /scratch }]
  postgres:
    image: postgres:17
    environment: { POSTGRES_USER: "\${STORE_USER}", POSTGRES_PASSWORD: "\${STORE_PASSWORD}", POSTGRES_DB: "\${STORE_NAME:-store}", LANGUAGE: "\${LANGUAGE}" }
    healthcheck: { test: pg_isready -U postgres }
`;
const variables = "STORE_USER=postgres\nSTORE_PASSWORD=postgres\nPHOTOS=./photos\nSTORE_FILES=./postgres\nADMIN_PASSWORD=photos\nTHEME=dark\nLANGUAGE=de\n";

test("a variable of .env is one setting, whatever it comes by", (t) => {
  const { model } = imported(t, shared, { ".env": variables });
  assert.deepEqual(model.settings.filter(({ name }) => /theme/i.test(name)), [{ key: "theme", name: "Theme", kind: "text", value: "dark" }]);
  assert.deepEqual(Object.fromEntries(model.parts["shop"].env)["THEME"], [{ setting: "theme", kind: "text" }]);
  assert.deepEqual(Object.fromEntries(model.parts["worker"].env)["THEME"], [{ setting: "theme", kind: "text" }]);
  // What only has the same name is a setting of its own, and people can tell the two apart.
  assert.notDeepEqual(Object.fromEntries(model.parts["worker"].env)["LANGUAGE"], Object.fromEntries(model.parts["postgres"].env)["LANGUAGE"]);
  assert.equal(new Set(model.settings.map(({ name }) => name)).size, model.settings.length);
});

test("what a database is made with stays in the code, also by way of a variable", (t) => {
  const { model } = imported(t, shared, { ".env": variables });
  const { shop, postgres } = model.parts;
  const secret = { secret: "storePassword" };
  const made = Object.fromEntries(postgres.env);
  assert.deepEqual([made["POSTGRES_USER"], made["POSTGRES_PASSWORD"], made["POSTGRES_DB"]], [["postgres"], [secret], ["store"]]);
  assert.equal(expression(Object.fromEntries(shop.env)["DATABASE_URL"]), "`postgres://postgres:${secrets.storePassword.reveal()}@postgres/store`");
  assert.deepEqual(Object.fromEntries(shop.env)["STORE_USER"], ["postgres"]);
  assert.deepEqual(model.settings.map(({ key }) => key).filter((key) => /^store(User|Name)/.test(key)), []);
  const { model: unsaid, notes } = imported(t, service('environment: { POSTGRES_DB: "${STORE}" }'));
  assert.deepEqual(unsaid.parts["app"].env, [["POSTGRES_DB", [""]]]);
  assert.ok(notes.some((note) => /STORE has no value/.test(note)), notes.join("; "));
});

test("a password's word is no secret in a path, and where something else is called so", (t) => {
  const { model } = imported(t, shared, { ".env": variables });
  const { shop, worker, postgres } = model.parts;
  assert.equal(model.settings.find(({ key }) => key === "storeFiles").value, "./postgres");
  assert.deepEqual(Object.fromEntries(shop.env)["PHOTOS"], ["./photos"]);
  assert.deepEqual(Object.fromEntries(shop.env)["STORE_PASSWORD"], [{ secret: "storePassword" }]);
  assert.deepEqual(Object.fromEntries(worker.env)["DB_HOST"], ["postgres"]);
  assert.deepEqual(postgres.ready.command, [["sh"], ["-c"], ["pg_isready -U postgres"]]);
  const { model: plain } = imported(t, service('environment: { DB_PASSWORD: database, A: "x://database:database@database/database", B: "host=database password=database" }', "  database: { image: postgres:17 }\n"));
  const env = Object.fromEntries(plain.parts["app"].env);
  assert.equal(expression(env["A"]), "`x://database:${secrets.dbPassword.reveal()}@database/database`");
  assert.equal(expression(env["B"]), "`host=database password=${secrets.dbPassword.reveal()}`");
});

test("what says an image, a mount or a port is no setting, which could not change it", (t) => {
  const { model } = imported(t, service('image: "app:${TAG}"\nports: ["80:${PORT}"]\nvolumes: ["${PLACE}:/x"]\nenv_file: .env\nenvironment: { LISTEN: "0.0.0.0:${PORT}" }').replace("    image: app:1\n", ""), { ".env": "TAG=2\nPORT=3000\nPLACE=./x\nTHEME=dark\n" });
  assert.deepEqual(model.settings.map(({ key }) => key), ["theme"]);
  const env = Object.fromEntries(model.parts["app"].env);
  assert.deepEqual([env["TAG"], env["PORT"], env["PLACE"], expression(env["LISTEN"])], [["2"], ["3000"], ["./x"], '"0.0.0.0:3000"']);
});

test("an empty password is made up, and told; what others give out is not", (t) => {
  const { model, notes } = imported(t, service("environment: [MARIADB_ROOT_PASSWORD=, APP_PASSWORD=, SMTP_PASSWORD=, MYSQL_ALLOW_EMPTY_PASSWORD=, MARIADB_RANDOM_ROOT_PASSWORD=yes, API_TOKEN=]", '  other:\n    image: app:1\n    environment: { APP_PASSWORD: "" }\n'));
  assert.deepEqual(Object.fromEntries(model.parts["app"].env), {
    MARIADB_ROOT_PASSWORD: [{ secret: "mariadbRootPassword" }], APP_PASSWORD: [{ secret: "appPassword" }], SMTP_PASSWORD: [{ setting: "smtpPassword", kind: "text" }],
    MYSQL_ALLOW_EMPTY_PASSWORD: [""], MARIADB_RANDOM_ROOT_PASSWORD: ["yes"], API_TOKEN: [{ setting: "apiToken", kind: "text" }],
  });
  assert.deepEqual(Object.fromEntries(model.parts["other"].env), { APP_PASSWORD: [{ secret: "appPassword" }] });
  for (const name of ["MARIADB_ROOT_PASSWORD", "APP_PASSWORD"]) assert.ok(notes.some((note) => note.startsWith(`${name} is empty`)), notes.join("; "));
});

test("the passwords of the author stay nowhere in the package, by whichever way they come", (t) => {
  const text = `
services:
  db: { image: postgres:17, environment: { POSTGRES_PASSWORD: "\${DB_PASS}" } }
  cache: { image: valkey:8, command: [valkey-server, --requirepass, s3cr3tpw] }
  a: { image: a:1, env_file: app.env, environment: { ADMIN_PASSWORD: firstfirst } }
  b: { image: b:1, environment: { ADMIN_PASSWORD: secondsecond, DB__PASSWORD: thirdthird, DB_PASSWORD: fourthfourth, AGAIN_PASSWORD: firstfirst } }
`;
  const { model, code } = imported(t, text, { ".env": "DB_PASS=s3cr3tpw\n", "app.env": "APP_KEY=base64:QUJDREVGR0g=\n" });
  for (const word of ["s3cr3tpw", "QUJDREVGR0g", "firstfirst", "secondsecond", "thirdthird", "fourthfourth"]) assert.ok(!code.includes(word), word);
  const env = (part) => Object.fromEntries(model.parts[part].env);
  const [first, second] = [env("a")["ADMIN_PASSWORD"], env("b")["ADMIN_PASSWORD"]];
  assert.notDeepEqual(first, second, "two passwords are two");
  assert.deepEqual(env("b")["AGAIN_PASSWORD"], first, "and one is one");
  assert.notDeepEqual(env("b")["DB__PASSWORD"], env("b")["DB_PASSWORD"]);
  assert.deepEqual(model.parts.cache.command.at(-1), env("db")["POSTGRES_PASSWORD"]);
});

test("a variable that must have a value is told, and a port that is published twice has one address", (t) => {
  const { model, notes } = imported(t, service('environment: { MUST: "${MUSTBE:?must}" }\nports: ["8080:3000", "8081:3000"]'));
  assert.ok(notes.some((note) => note.startsWith("MUSTBE has to have a value")), notes.join("\n"));
  assert.deepEqual(Object.keys(model.interfaces), ["ui"]);
  assert.ok(!notes.some((note) => note.includes("of two services")));
});

test("what is dropped is told", (t) => {
  const { notes } = imported(t, shared, { ".env": variables });
  for (const note of [/^shop: .*\/tmp /, /^shop: .*\/run /, /^worker: .*\/tmp /, /^worker: .*\/scratch /]) assert.ok(notes.some((one) => note.test(one) && /tmpfs/.test(one)), `${note} in ${notes.join("; ")}`);
  const { notes: kept } = imported(t, service('volumes: ["shared:/x"]', "volumes: { shared: { driver_opts: { type: nfs } } }\n"));
  assert.ok(kept.some((note) => /shared: driver_opts/.test(note)), kept.join("; "));
});

test("what is made compiles, and its own test passes", (t) => {
  const dir = folder(t, { "compose.yaml": rich, ".env": "TAG=2\n", "site/app.conf": "a", "mail.env": "" });
  const program = fileURLToPath(new URL("../bin/create.mjs", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, "made", "--compose", "compose.yaml", "--yes", "--no-install"], { cwd: dir, encoding: "utf8", input: "" });
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /To look at, as it is not what the compose file says:/);
  for (const script of ["check", "test"]) {
    const { status, stdout, stderr } = spawnSync("npm", ["run", "--silent", script], { cwd: join(dir, "made"), encoding: "utf8", env: { ...process.env, NODE_TEST_CONTEXT: undefined } });
    assert.equal(status, 0, stdout + stderr);
  }
});

test("what cannot be taken over is refused, and nothing is written", (t) => {
  const deep = `${"[".repeat(3000)}${"]".repeat(3000)}`;
  const bomb = ["a: &a [x,x,x,x,x,x,x,x,x,x]", ..."bcdefgh".split("").map((name, i) => `${name}: &${name} [${Array(10).fill(`*${"abcdefg"[i]}`).join(",")}]`)].join("\n");
  for (const [text, why] of [
    ["", /document/],
    ["services: []", /no map/],
    ["services: {}", /0 services/],
    ["a: [", /.+/],
    [`services: ${deep}`, /.+/],
    [`${bomb}\nservices: *h`, /.+/],
    [`services: { ${Array.from({ length: 40 }, (_, i) => `s${i}: { image: x }`).join(", ")} }`, /40 services/],
    ["include: [other.yaml]\nservices: { a: { image: x } }", /includes other files/],
    [service("extends: { service: b }"), /extends/],
    ['services: { "../x": { image: x } }', /no name of a service/],
    ["services: { a_b: { image: x }, a-b: { image: x } }", /the same here/],
    [service("volumes: [\"a_b:/x\", \"a-b:/y\"]", "volumes: { a_b: {}, a-b: {} }\n"), /the same as another/],
    [service('environment: { "A=B": x }'), /no name of a variable/],
    [service('environment: { A: "${B" }'), /no variable/],
    [service('environment: { A: "${B:-c" }'), /has no end/],
    [service('environment: { A: "$" }'), /no variable/],
    [service(`environment: { A: "${"${A:-".repeat(200)}${"}".repeat(200)}" }`), /.+/],
    [service("environment: { A: { b: c } }"), /no text/],
    [service('ports: ["99999:80", "x"]'), /no port/],
    [service('ports: ["1-65535:1-65535"]'), /more than 16 ports/],
    [service('volumes: ["./../../etc:/x/../../etc"]'), /no place for a mount/],
    [service('volumes: ["named:/x"]'), /not listed/],
    [service("env_file: ../package.json"), /does not lie beside/],
    [service("env_file: absent.env"), /no file/],
    [service("depends_on: [app]"), /wait for each other/],
    [service("depends_on: [other]"), /no service/],
    [service("stop_grace_period: soon"), /no duration/],
    [service("secrets: [absent]"), /no "absent" in secrets/],
    ["services: { app: { command: x } }", /neither an image/],
    ["services: { app: { image: \"x:${TAG}\" } }", /TAG has no value/],
  ]) {
    assert.throws(() => imported(t, text), (err) => err instanceof WrongFile && why.test(err.message), `${text.slice(0, 60)} gives ${why}`);
  }
  const dir = folder(t, { "compose.yaml": `#${"x".repeat(300 << 10)}` });
  assert.throws(() => importCompose(join(dir, "compose.yaml"), about), /larger than/);
  const linked = folder(t, { "compose.yaml": service("volumes: [\"./out:/x:ro\"]") });
  symlinkSync("/etc", join(linked, "out"));
  assert.throws(() => importCompose(join(linked, "compose.yaml"), about), /does not lie beside/);
});

test("many that wait for many take no time", (t) => {
  const names = Array.from({ length: 32 }, (_, i) => `s${i}`);
  const { model } = imported(t, `services:\n${names.map((name, i) => `  ${name}: { image: x, depends_on: [${names.slice(i + 1).join(", ")}] }\n`).join("")}`);
  assert.equal(model.parts["s0"].after.length, 31);
});

test("whatever a file says, it is refused or code comes out of it", (t) => {
  const dir = folder(t, { "site/app.conf": "a", "mail.env": "A=1\n", ".env": "TAG=2\n" });
  // The same numbers each time.
  let seed = 12;
  const next = (below) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  const pieces = ["${", "}", "`", '"', "'", "\\", "$$", "*/", "\n", "<<: *common", "__proto__", "constructor", "&a", "*a", ": ", "- ", "{", "[", "\u2028", "\0", "null", "1e999", "../", "!!js/function x"];
  let made = 0;
  for (let i = 0; i < 400; i++) {
    let text = rich;
    for (let n = 1 + next(4); n > 0; n--) {
      const at = next(text.length);
      text = text.slice(0, at) + pieces[next(pieces.length)] + text.slice(at + next(6));
    }
    writeFileSync(join(dir, "compose.yaml"), text);
    try {
      const { model } = importCompose(join(dir, "compose.yaml"), about);
      transformSync(String(filesOf(model, {})["package.ts"]), { loader: "ts" });
      transformSync(String(filesOf(model, {})["package.test.mjs"]), { loader: "js" });
      made++;
    } catch (err) {
      assert.ok(err instanceof WrongFile, `${err.stack}\n${text}`);
    }
  }
  assert.ok(made > 40, `only ${made} of 400 gave code`);
});
