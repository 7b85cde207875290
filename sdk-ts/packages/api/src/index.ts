/**
 * A typed client of a Hearth server over any transport of Connect: `@connectrpc/connect-web` in a browser,
 * `@connectrpc/connect-node` elsewhere. It knows how to show a token, how to keep the session of a page and how to read
 * refusals, and nothing else: messages and services are generated and live beside it, as in `@hearthos/api/hearth/packages/v1/packages_pb`.
 */
export { bearer } from "./bearer.js";
export { createHearth, type Hearth } from "./client.js";
export { faultOf } from "./fault.js";
export type { KeyValues } from "./kept.js";
export { createBrowserClient, type BrowserOptions, type BrowserSession, type Credentials } from "./session.js";
