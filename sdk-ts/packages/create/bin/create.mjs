#!/usr/bin/env node
// npm create @hearthos: asks what the package is to be, writes its project, and with --run takes it to a server.
import { run, WrongUsage } from "../src/create.mjs";

try {
  await run(process.argv.slice(2));
} catch (err) {
  if (!(err instanceof WrongUsage)) throw err;
  console.error(`create-hearthos: ${err.message}`);
  process.exitCode = 2;
}
