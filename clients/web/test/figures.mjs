import { drive, given, login, tell } from "./driver.mjs";

// How fast the page is and what it costs, of a server with many services some of which change all the time.
const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
const figure = (name, value) => tell(`figure ${name} ${value}`);

await drive(async (context) => {
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  await login(page);
  const cards = page.locator("ul.cards > li");
  await cards.nth(given.services - 1).waitFor();
  const client = await context.newCDPSession(page);

  // Times of the page's own thread, besides those of the clock: what else runs on the machine is not counted in them.
  const metrics = async () => Object.fromEntries((await client.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));
  await client.send("Performance.enable", { timeDomain: "threadTicks" });
  /** Does something and answers what it took, by the clock and of the processor, in milliseconds. */
  async function took(act) {
    const before = await metrics();
    const clock = await act();
    return { clock, processor: ((await metrics()).TaskDuration - before.TaskDuration) * 1000 };
  }
  const both = async (name, list) => {
    for (const kind of ["clock", "processor"]) await figure(`${name}-${kind}-ms`, median(list.map((one) => one[kind])));
  };

  // From what is done to what is seen: between two pages whose code is there, and by typing into a field.
  await page.evaluate(() => {
    globalThis.__seen = (act, there) =>
      new Promise((resolve) => {
        const begun = performance.now();
        const eyes = new MutationObserver(() => {
          if (!there()) return;
          eyes.disconnect();
          requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - begun)));
        });
        eyes.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
        act();
      });
  });
  const goes = (path, title) => page.evaluate(([path, title]) => globalThis.__seen(() => document.querySelector(`aside a[href="${path}"]`).click(), () => document.querySelector("h1")?.textContent === title), [path, title]);
  await goes("/activity", "Activity");
  await goes("/", "Services");
  const pages = [];
  for (let i = 0; i < 7; i++) pages.push(await took(() => goes("/activity", "Activity")), await took(() => goes("/", "Services")));
  await both("page-to-page", pages);
  const typed = [];
  for (const word of ["service-07", "", "service-42", "", "service-9", ""]) {
    typed.push(
      await took(() => page.evaluate(
        ([word]) =>
          globalThis.__seen(
            () => {
              const field = document.querySelector("input[type=search]");
              field.value = word;
              field.dispatchEvent(new Event("input", { bubbles: true }));
            },
            () => (document.querySelectorAll("ul.cards > li:not([hidden])").length < 20) === (word !== ""),
          ),
        [word],
      )),
    );
  }
  await both("search", typed);

  // What changes cost: processor time in scripts, tasks that keep the page from answering, memory.
  const heap = async () => {
    await client.send("HeapProfiler.collectGarbage");
    return (await client.send("Runtime.getHeapUsage")).usedSize / 2 ** 20;
  };
  await tell("change");
  await page.waitForTimeout(10_000); // what begins with the changes has begun
  const first = await heap();
  const before = await metrics();
  const begun = Date.now();
  await page.waitForTimeout(given.seconds * 1000);
  const after = await metrics();
  const wall = (Date.now() - begun) / 1000;
  const last = await heap();
  await figure("scripting-share", (after.ScriptDuration - before.ScriptDuration) / wall);
  await figure("busy-share", (after.TaskDuration - before.TaskDuration) / wall);
  await figure("heap-MiB", first);
  await figure("heap-growth-MiB", last - first);

  // Each task of the page's thread, for a while: by the clock, and what it took of the processor.
  await context.browser().startTracing(page, { categories: ["devtools.timeline", "disabled-by-default-devtools.timeline", "toplevel"] });
  await page.waitForTimeout(20_000);
  const { traceEvents } = JSON.parse((await context.browser().stopTracing()).toString());
  await tell("rest");
  const names = traceEvents.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  const tasks = traceEvents.filter(({ name, ph, pid, tid }) => ph === "X" && /RunTask$/.test(name) && names.some((main) => main.pid === pid && main.tid === tid));
  const at = (list, share) => list.toSorted((a, b) => a - b)[Math.ceil(list.length * share) - 1];
  for (const [name, of] of [["clock", ({ dur }) => dur / 1000], ["processor", ({ tdur }) => (tdur ?? 0) / 1000]]) {
    // Tasks of less than a millisecond are left out: there are so many of them that they would hide the others.
    const list = tasks.map(of).filter((took) => took >= 1);
    await figure(`task-p99-${name}-ms`, at(list, 0.99) ?? 0);
    await figure(`task-longest-${name}-ms`, Math.max(0, ...list));
  }
  await figure("tasks", tasks.length);

  // A first visit by somebody who is logged in, on a slow device and a slow network: until services are seen.
  const state = await context.storageState();
  const visits = [];
  // What does not depend on what else the machine does: bytes and requests until services are seen, how many of them had to wait for
  // another one, and what the page's thread took of the processor.
  const traffic = async (slow) => {
    const [begun, ended] = [new Map(), []];
    slow.on("Network.requestWillBeSent", ({ requestId, request, timestamp, type }) => begun.set(requestId, { url: request.url, at: timestamp, type }));
    slow.on("Network.dataReceived", ({ requestId, timestamp, encodedDataLength }) => ended.push({ requestId, at: timestamp, bytes: encodedDataLength }));
    slow.on("Network.responseReceived", ({ requestId, timestamp }) => ended.push({ requestId, at: timestamp, bytes: 0 }));
    return () => {
      // A wave is what is asked before the first answer to the wave before it has come.
      let waves = 0;
      let asked = [...begun].map(([id, one]) => ({ id, ...one })).sort((a, b) => a.at - b.at);
      while (asked.length > 0) {
        waves++;
        const answers = new Set();
        const first = Math.min(...ended.filter(({ requestId }) => requestId === asked[0].id).map(({ at }) => at));
        for (const one of asked) if (one.at <= first) answers.add(one.id);
        asked = asked.filter(({ id }) => !answers.has(id));
      }
      return { requests: begun.size, waves, kib: ended.reduce((sum, { bytes }) => sum + bytes, 0) / 1024 };
    };
  };
  for (let i = 0; i < 3; i++) {
    const fresh = await context.browser().newContext({ ignoreHTTPSErrors: true, viewport: { width: given.width, height: given.height }, storageState: state, locale: "en-US" });
    const visit = await fresh.newPage();
    const slow = await fresh.newCDPSession(visit);
    await slow.send("Network.enable");
    await slow.send("Performance.enable", { timeDomain: "threadTicks" });
    const sent = await traffic(slow);
    await slow.send("Network.emulateNetworkConditions", { offline: false, latency: 150, downloadThroughput: (1.6e6 / 8) * 0.9, uploadThroughput: (750e3 / 8) * 0.9 });
    await slow.send("Emulation.setCPUThrottlingRate", { rate: 4 });
    await visit.addInitScript(() => {
      const eyes = new MutationObserver(() => {
        const marks = { shell: "aside nav", services: "ul.cards > li .pill" };
        for (const [name, found] of Object.entries(marks)) {
          if (globalThis[`__${name}`] === undefined && document.querySelector(found)) requestAnimationFrame(() => setTimeout(() => (globalThis[`__${name}`] ??= performance.now())));
        }
      });
      eyes.observe(document, { subtree: true, childList: true });
    });
    await visit.goto(given.base, { waitUntil: "commit" });
    await visit.waitForFunction(() => globalThis.__services !== undefined);
    const { metrics: thread } = await slow.send("Performance.getMetrics");
    const processor = (thread.find(({ name }) => name === "TaskDuration")?.value ?? 0) * 1000;
    visits.push({ ...sent(), processor, ...(await visit.evaluate(() => ({ paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0, shell: globalThis.__shell, services: globalThis.__services }))) });
    await fresh.close();
  }
  for (const name of ["paint", "shell", "services", "processor"]) await figure(`slow-${name}-ms`, median(visits.map((visit) => visit[name])));
  for (const name of ["requests", "waves", "kib"]) await figure(`slow-${name}`, median(visits.map((visit) => visit[name])));
});
