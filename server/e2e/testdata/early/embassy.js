// The script of a package for StartOS 0.3: a page whose text and colour people choose.
const file = { volumeId: "main", path: "config.json" };

const spec = {
  greeting: { type: "string", name: "Greeting", nullable: false, default: "Hello", pattern: "^[A-Za-z0-9. ]+$", "pattern-description": "letters, digits, dots and spaces" },
  colour: { type: "enum", name: "Colour", default: "blue", values: ["blue", "red"], "value-names": { blue: "Blue", red: "Red" } },
};

async function getConfig(effects) {
  const config = (await effects.exists(file)) ? await effects.readJsonFile(file) : undefined;
  return { result: { spec, config } };
}

async function setConfig(effects, config) {
  await effects.writeJsonFile({ ...file, toWrite: config });
  await effects.createDir({ volumeId: "main", path: "www" });
  await effects.writeFile({ volumeId: "main", path: "www/index.html", toWrite: `<h1>${config.greeting} in ${config.colour}</h1>` });
  return { result: { signal: "SIGTERM", "depends-on": {} } };
}

const health = {
  async web(effects, running) {
    const answer = await effects.fetch("http://early-notes.embassy:8080/").catch((err) => ({ ok: false, status: String(err) }));
    if (answer.ok) return { result: null };
    return running < 30_000 ? { "error-code": [60, "It is starting"] } : { error: `The page answers with ${answer.status}` };
  },
};

async function properties(effects) {
  const seen = await effects.runCommand({ command: "sh", args: ["-c", "test -d /proc/1 && echo Seen by lighttpd"] });
  return { result: { version: 2, data: { Command: { type: "string", value: "result" in seen ? seen.result : JSON.stringify(seen), description: null, copyable: false, qr: false, masked: false } } } };
}

async function migration(effects, version, way) {
  await effects.writeFile({ volumeId: "main", path: "www/migrated", toWrite: `${way} ${version}` });
  return { result: { configured: true } };
}

export { getConfig, health, migration, properties, setConfig };
