/**
 * Settings of the process that must come before anything else runs: a small heap rather than a fast one, because there
 * is a process of this kind in every service container (it saves 12 of 55 MB that are its own), and no warnings about
 * the habits of package code in the service's log.
 */
import { setFlagsFromString } from "node:v8";

setFlagsFromString("--optimize-for-size");
setFlagsFromString("--max-semi-space-size=1");
(process as { noDeprecation?: boolean }).noDeprecation = true;
