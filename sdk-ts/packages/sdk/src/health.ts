/** How it is known that a part of a service is well, and when that is looked at. */
export { checkPortListening, checkWebUrl, runHealthScript, type HealthCheckResult } from "./daemons/checks.js";
export { cooldownTrigger, defaultTrigger, statusTrigger, type Trigger } from "./daemons/trigger.js";
export type { Ready } from "./daemons/unit.js";
