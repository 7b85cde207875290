/**
 * Keeps reports of a state in order, and of reports that wait for their turn sends only the newest. Without it the
 * reports that gathered while the daemon was away would arrive all at once, in any order.
 */
interface Lane {
  next: { send: () => Promise<unknown>; result: Promise<unknown>; settle: (from: Promise<unknown>) => void } | undefined;
}

const lanes = new WeakMap<object, Map<string, Lane>>();

/** Sends now, or when what was sent before under this key has been answered. A report that a newer one replaced gets its result. */
export function latest<T>(owner: object, key: string, send: () => Promise<T>): Promise<T> {
  let mine = lanes.get(owner);
  if (!mine) lanes.set(owner, (mine = new Map()));
  const lane = mine.get(key);
  if (lane?.next) {
    lane.next.send = send;
    return lane.next.result as Promise<T>;
  }
  if (lane) {
    let settle: (from: Promise<unknown>) => void = () => {};
    const result = new Promise<unknown>((resolve) => (settle = resolve));
    lane.next = { send, result, settle };
    return result as Promise<T>;
  }
  mine.set(key, { next: undefined });
  return run(mine, key, send);
}

function run<T>(mine: Map<string, Lane>, key: string, send: () => Promise<T>): Promise<T> {
  const sent = send();
  const proceed = () => {
    const lane = mine.get(key)!;
    const next = lane.next;
    lane.next = undefined;
    if (next) next.settle(run(mine, key, next.send));
    else mine.delete(key);
  };
  sent.then(proceed, proceed);
  return sent;
}
