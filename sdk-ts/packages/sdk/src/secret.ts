import { inspect } from "node:util";
import { jsonCodec } from "./codecs/json.js";
import type { Effects } from "./effects.js";
import { FileModel } from "./files.js";
import { randomText } from "./form/index.js";
import type { RandomString } from "./form/spec.js";
import { schema } from "./schema.js";
import type { Volume } from "./volumes.js";

const shown = "[secret]";

/**
 * A text that must not be seen. Printed, put into a text or written as JSON it is "[secret]"; `reveal` is the one way to
 * it, and easy to look for.
 * @example
 * const password = new Secret("s3cret");
 * assert.equal(`${password} ${JSON.stringify({ password })}`, '[secret] {"password":"[secret]"}');
 * assert.equal(password.reveal(), "s3cret");
 */
export class Secret {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  reveal(): string {
    return this.#text;
  }
  toString(): string {
    return shown;
  }
  toJSON(): string {
    return shown;
  }
  [Symbol.toPrimitive](): string {
    return shown;
  }
  [inspect.custom](): string {
    return shown;
  }
}

export type SecretsOf<Names extends string> = { readonly [Name in Names]: Secret };

/**
 * Secrets that a package makes up once and keeps in its volume. They are there from the first init on.
 * @example
 * const keys = secrets(volume, { admin: { charset: "a-z,0-9", len: 24 } });
 * await keys.make(effects);
 * assert.match((await keys.once()).admin.reveal(), /^[a-z0-9]{24}$/);
 */
export function secrets<Names extends string>(volume: Volume, wanted: Record<Names, RandomString>) {
  const file = new FileModel<Record<string, string>>({ base: volume, subpath: "secrets.json" }, jsonCodec, schema((value) => ({ ...(value as Record<string, string>) })), undefined, true, 0o600);
  const all = (found: Record<string, string> | null): SecretsOf<Names> =>
    Object.fromEntries(
      Object.keys(wanted).map((name) => {
        const text = found?.[name];
        if (text === undefined) throw new Error(`the secret ${name} has not been made yet`);
        return [name, new Secret(text)];
      }),
    ) as SecretsOf<Names>;
  return {
    /** Makes up those that are not there yet. */
    async make(effects: Effects): Promise<void> {
      const found = (await file.read().once()) ?? {};
      const missing = Object.entries<RandomString>(wanted).filter(([name]) => found[name] === undefined);
      if (missing.length > 0) await file.merge(effects, Object.fromEntries(missing.map(([name, of]) => [name, randomText(of)])));
    },
    /** Puts another in the place of one. */
    async replace(effects: Effects, name: Names, text: string = randomText(wanted[name])): Promise<Secret> {
      await file.merge(effects, { [name]: text });
      return new Secret(text);
    },
    once: async (): Promise<SecretsOf<Names>> => all(await file.read().once()),
    /** Reads them for what runs, which runs again when one is replaced. */
    const: async (effects: Effects): Promise<SecretsOf<Names>> => all(await file.read().const(effects)),
  };
}
