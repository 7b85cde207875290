// What a page of the server would do, for the browser of chromium.mjs: the client as pages use it.
import { createConnectTransport } from "@connectrpc/connect-web";
import { createBrowserClient, faultOf } from "@hearthos/api/client";
import { Reason } from "@hearthos/api/hearth/meta/v1/fault_pb";

const { hearth, session } = createBrowserClient((interceptors) => createConnectTransport({ baseUrl: location.origin, interceptors }));

export async function login(password, lasting) {
  await session.login({ account: "alex", password, lasting });
}

/** Who calls, or why nobody does. */
export async function who() {
  try {
    return (await hearth.accounts.getCaller({})).account;
  } catch (error) {
    return Reason[faultOf(error)?.reason] ?? String(error);
  }
}

/** Calls at the same time, when the secrets are due. */
export async function rotate() {
  const before = localStorage.getItem("hearth-session");
  localStorage.setItem("hearth-session", JSON.stringify({ ...JSON.parse(before), rotate: 0 }));
  const names = await Promise.all([who(), who()]);
  const after = JSON.parse(localStorage.getItem("hearth-session"));
  return { names, fresh: after.half !== JSON.parse(before).half && after.rotate > Date.now() };
}

export async function logout() {
  await session.logout();
}

export const active = () => session.active;
export const cookies = () => document.cookie;
