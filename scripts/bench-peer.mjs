// Measures one side of scripts/bench-peer and prints a line for each figure:
// node scripts/bench-peer.mjs hearth|startos URL PACKAGE TURNS …, with the state folder, the folder of programs and the daemon's
// process for Hearth, and the password and the control group for StartOS.
import { spawn, execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { setTimeout as pause } from "node:timers/promises";

const [kind, url, pkg, turns, ...rest] = process.argv.slice(2);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const say = (name, value) => console.log(name, Math.round(value * 10) / 10);

/** One request; the connection is not kept. */
function ask(lib, options, body) {
  return new Promise((resolve, reject) => {
    const req = lib.request({ ...options, agent: false, rejectUnauthorized: false, timeout: 2000 }, (res) => {
      const parts = [];
      res.on("data", (part) => parts.push(part));
      res.on("end", () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(parts).toString() }));
      res.on("error", reject);
    });
    req.on("error", reject);
    req.on("timeout", () => req.destroy(new Error("no answer")));
    req.end(body);
  });
}

const serves = () => {
  const { hostname, port } = new URL(url);
  return ask(https, { hostname, port, path: "/" }).then(
    ({ status }) => status === 200,
    () => false,
  );
};

async function until(ready, limit = 60_000) {
  const begin = performance.now();
  while (!(await ready())) {
    if (performance.now() - begin > limit) throw new Error(`not ready within ${limit} ms: ${ready}`);
    await pause(5);
  }
  return performance.now() - begin;
}

/** Memory of processes in MiB, as the kernel shares it out among all. */
function pss(pids) {
  let kib = 0;
  for (const pid of pids) {
    try {
      kib += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0);
    } catch {
      // It has ended.
    }
  }
  return kib / 1024;
}

/** The processes of which a file below /proc matches. */
const processes = (file, matches) =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && matches(readFileSync(`/proc/${pid}/${file}`, "utf8"));
    } catch {
      return false;
    }
  });

function hearth(state, bin, daemon) {
  const socketPath = `${state}/hearthd.sock`;
  const headers = { "Content-Type": "application/json" };
  const call = async (method, message) => {
    const path = `/hearth.${method}`;
    const { status, body } = await ask(http, { socketPath, method: "POST", path, headers }, JSON.stringify(message));
    if (status !== 200) throw new Error(`${method}: ${status} ${body}`);
    return JSON.parse(body);
  };
  const tag = execFileSync("readlink", [socketPath], { encoding: "utf8" }).split("/").at(-2);
  let pid = Number(daemon);
  return {
    start: () => call("packages.v1.PackageService/StartPackage", { id: pkg }),
    stop: () => call("packages.v1.PackageService/StopPackage", { id: pkg }),
    stopped: async () => (await call("packages.v1.PackageService/GetPackage", { id: pkg })).package.status.state === "STATE_STOPPED",
    // A rebuilt one is parked at once: no main has run in it, after which the SDK keeps a timer for a minute.
    park: async () => {
      const look = async () => (await call("packages.v1.PackageService/GetPackage", { id: pkg })).package.status;
      const { observedRebuilds: before } = await look();
      await call("packages.v1.PackageService/RebuildPackage", { id: pkg });
      await until(async () => {
        const { state, container, observedRebuilds } = await look();
        return state === "STATE_STOPPED" && !container && observedRebuilds !== before;
      });
    },
    service: () => processes("cgroup", (text) => text.includes(`/${tag}/`) && text.includes(pkg)),
    daemon: () => [pid],
    answers: () => call("system.v1.SystemService/GetServer", {}).then(() => true, () => false),
    kill: () => {
      process.kill(pid, "SIGKILL");
      // The service manager of a real machine does this.
      const next = spawn(`${bin}/hearthd`, ["--state", state, "--bin", bin], { stdio: "ignore", detached: true });
      next.unref();
      pid = next.pid;
    },
    end: () => process.kill(pid, "SIGTERM"),
  };
}

async function startos(password, group) {
  const { hostname } = new URL(url);
  const headers = { "Content-Type": "application/json" };
  const call = async (method, params) => {
    const message = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const answer = await ask(https, { hostname, port: 443, method: "POST", path: "/rpc/v1", headers }, message);
    const { result, error } = JSON.parse(answer.body);
    if (error) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return { result, cookie: answer.headers["set-cookie"]?.[0].split(";")[0] };
  };
  const login = { password, ephemeral: false, metadata: {}, userAgent: "bench" };
  headers.Cookie = (await call("auth.login", login)).cookie;
  const status = async () => (await call("db.dump", { pointer: `/public/packageData/${pkg}/statusInfo` })).result.value;
  const theirs = (pid) => readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(`/${group}`);
  const daemon = () => processes("cmdline", (text) => /(^|\/)startd\0/.test(text)).filter(theirs);
  return {
    start: () => call("package.start", { id: pkg }),
    stop: () => call("package.stop", { id: pkg }),
    stopped: async () => (await status()).started === null,
    service: () => processes("cgroup", (text) => text.includes(`/${group}`) && /(lxc\.|services\.slice\/)(payload|monitor)/.test(text)),
    daemon,
    answers: () => status().then(() => true, () => false),
    kill: () => daemon().forEach((pid) => process.kill(Number(pid), "SIGKILL")),
    end: () => {},
  };
}

const server = kind === "hearth" ? hearth(...rest) : await startos(...rest);
await server.start();
await until(serves);
const starts = [];
const stops = [];
let stopped = 0;
let running = 0;
for (let turn = 0; turn < Number(turns); turn++) {
  const stopping = performance.now();
  await server.stop();
  await until(async () => (await server.stopped()) && !(await serves()));
  stops.push(performance.now() - stopping);
  await pause(1000); // both are at rest
  stopped = pss(server.service());
  const starting = performance.now();
  await server.start();
  await until(serves);
  starts.push(performance.now() - starting);
}
const parked = [];
if (server.park) {
  for (let turn = 0; turn < Number(turns); turn++) {
    await server.stop();
    await until(async () => (await server.stopped()) && !(await serves()));
    await server.park();
    if (turn === 0) say("parked-MiB", pss(server.service()));
    const starting = performance.now();
    await server.start();
    await until(serves);
    parked.push(performance.now() - starting);
  }
  say("parked-ms", median(parked));
}
await pause(5000);
running = pss(server.service());
say("start-ms", median(starts));
say("stop-ms", median(stops));
say("stopped-MiB", stopped);
say("running-MiB", running);
say("daemon-MiB", pss(server.daemon()));

const killed = performance.now();
server.kill();
let last = killed;
let longest = 0;
let again = 0;
while (performance.now() - killed < 40_000 && (again === 0 || performance.now() - killed < again + 5000)) {
  if (again === 0 && (await server.answers())) again = performance.now() - killed;
  if (await serves()) {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }
  await pause(5);
}
longest = Math.max(longest, performance.now() - last);
say("killed-ms", longest);
say("again-ms", again);
server.end();
