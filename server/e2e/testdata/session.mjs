// Takes a session through its life by the TypeScript client, with what a browser adds to calls added here, and prints what
// happened as JSON.
//
//   node session.mjs BASE ROOTFILE PASSWORD
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createConnectTransport } from "@connectrpc/connect-node";
import { createBrowserClient, faultOf } from "@hearthos/api/client";
import { Reason } from "@hearthos/api/hearth/meta/v1/fault_pb";

const [baseUrl, root, password] = process.argv.slice(2);

/** What a browser keeps of an origin: its cookie and its storage. */
function browser() {
  const values = new Map();
  const b = {
    cookie: undefined,
    storage: { getItem: (k) => values.get(k) ?? null, setItem: (k, v) => values.set(k, v), removeItem: (k) => values.delete(k) },
    ended: 0,
    clock: Date.now(),
    sent: [],
  };
  const adds = (next) => async (request) => {
    request.header.set("origin", baseUrl);
    request.header.set("sec-fetch-site", "same-origin");
    if (b.cookie !== undefined) request.header.set("cookie", b.cookie);
    b.sent.push(request.method.name);
    const response = await next(request);
    const set = response.header.get("set-cookie");
    if (set !== null) b.cookie = /Max-Age=0/.test(set) ? undefined : set.split(";")[0];
    b.lasting = set === null ? b.lasting : /Max-Age=[1-9]/.test(set);
    return response;
  };
  const connect = (interceptors) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions: { ca: readFileSync(root) }, interceptors: [...interceptors, adds] });
  Object.assign(b, createBrowserClient(connect, { storage: b.storage, now: () => b.clock, onEnd: () => b.ended++ }));
  b.half = () => JSON.parse(b.storage.getItem("hearth-session"))?.half;
  b.who = async () => (await b.hearth.accounts.getCaller({})).account;
  b.refused = async () => faultOf(await b.who().then(() => undefined, (e) => e))?.reason;
  return b;
}

const one = browser();
assert.equal(one.session.active, false);
assert.equal(await one.refused(), Reason.UNAUTHENTICATED);
await assert.rejects(one.session.login({ account: "alex", password: "a wrong password" }), (e) => faultOf(e)?.reason === Reason.LOGIN_FAILED);
await one.session.login({ account: "alex", password });
assert.equal(await one.who(), "alex");
assert.equal(one.lasting, false);

// It is rotated when it is time to, once for calls at the same time, and both halves are new.
const before = { half: one.half(), cookie: one.cookie };
one.clock += 25 * 60 * 60 * 1000;
one.sent.length = 0;
assert.deepEqual(await Promise.all([one.who(), one.who(), one.who()]), ["alex", "alex", "alex"]);
assert.equal(one.sent.filter((m) => m === "RotateSession").length, 1);
assert.notEqual(one.half(), before.half);
assert.notEqual(one.cookie, before.cookie);
assert.equal(await one.who(), "alex");

// A session that somebody else ends is forgotten, and its watch ends.
const two = browser();
await two.session.login({ account: "alex", password, lasting: true });
assert.equal(two.lasting, true);
const watching = (async () => {
  for await (const _ of two.hearth.state.watch({ targets: [{ id: "all", selectors: [{}] }] })) two.watched = true;
})().catch((e) => faultOf(e)?.reason);
while (!two.watched) await new Promise((later) => setTimeout(later, 20));
await one.hearth.accounts.deleteSessions({});
assert.equal(await watching, Reason.UNAUTHENTICATED);
assert.equal(two.session.active, false);
assert.equal(two.ended, 1);

// A logout ends it on the server: both halves, had somebody copied them, open nothing.
const stolen = { half: one.storage.getItem("hearth-session"), cookie: one.cookie };
await one.session.logout();
assert.equal(one.session.active, false);
assert.equal(one.cookie, undefined);
one.storage.setItem("hearth-session", stolen.half);
one.cookie = stolen.cookie;
assert.equal(await one.refused(), Reason.UNAUTHENTICATED);
assert.equal(one.session.active, false);
assert.equal(one.ended, 1);
await one.session.logout();
console.log("done");
