/**
 * A host for tests: a package is installed, started and stopped in the process of the test, with real files in a folder of
 * its own and without containers. It serves the contract of effects in memory, so what a package asks is read and answered as
 * by a server.
 */
export { TestHost, type Recorded, type TestHostOptions } from "./host.js";
export { InstalledPackage, type InstalledAddress, type InstalledHealth } from "./installed.js";
