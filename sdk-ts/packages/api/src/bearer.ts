import type { Interceptor } from "@connectrpc/connect";

/**
 * Sends a bearer token with every call.
 * @example createConnectTransport({ baseUrl, httpVersion: "1.1", interceptors: [bearer(token)] })
 */
export function bearer(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}
