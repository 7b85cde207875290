// Asks a package's code for its manifest. Arguments: the bundle, and the file to write, as JSON. Tells on standard error why there
// is none. Node by itself would tell that behind the line of code it happened in, which in a bundle has many kilobytes.
const { writeFileSync } = require("node:fs");
const { inspect, types } = require("node:util");
const [, , bundle, out] = process.argv;

function told(err) {
  if (!types.isNativeError(err)) return inspect(err).slice(0, 1000);
  const stack = String(err.stack).split("\n");
  // Node says them by the sources, where the bundle has a map of them.
  const calls = stack.filter((line) => /^ +at .*\.[cm]?[jt]s:\d+/.test(line) && !line.includes("node:") && !line.includes(__filename)).slice(0, 5);
  // What could not be parsed was called by none: its place is in the first line alone.
  const places = calls.length > 0 ? calls : stack.slice(0, 1).filter((line) => /:\d+$/.test(line)).map((line) => `    at ${line}`);
  const cause = err.cause === undefined ? [] : [`Caused by: ${types.isNativeError(err.cause) ? err.cause : inspect(err.cause).slice(0, 500)}`];
  return [String(err).slice(0, 1200), ...cause, ...places].join("\n");
}

process.on("uncaughtException", (err) => process.stderr.write(told(err), () => process.exit(1)));
const { manifest } = require(bundle);
// Timers and sockets that the code left open would keep it running.
writeFileSync(out, JSON.stringify(manifest) ?? "");
process.exit(0);
