import type { Field } from "./form/field.js";
import { form, field } from "./form/index.js";
import { made, union as makeUnion, Variants, type UnionStatic, type UnionValue } from "./form/kinds.js";
import { getSystemSmtp } from "./host.js";
import { email, hostname } from "./patterns.js";
import { InvalidError, schema, type Schema } from "./schema.js";

const address = (name: string) => field.text({ name, description: "The address that mails come from", required: true, default: null, inputmode: "email", patterns: [email], placeholder: "name@example.com" });
const tls = { tls: { name: "TLS", spec: form({ port: field.select({ name: "Port", default: "465", values: { "465": "465" } as { [port: string]: string } }) }) } };
const starttls = { starttls: { name: "STARTTLS", spec: form({ port: field.select({ name: "Port", default: "587", values: { "25": "25", "587": "587", "2525": "2525" } }) }) } };

function provider(host: string | null) {
  return form({
    host: field.text({ name: "Server", description: "The host that takes mails", required: true, default: host, patterns: [hostname] }),
    security: makeUnion({ name: "Connection security", default: "starttls", variants: Variants.of({ ...tls, ...starttls }) }),
    from: address("From"),
    username: field.text({ name: "User name", required: true, default: null }),
    password: field.text({ name: "Password", required: false, default: null, masked: true }),
  });
}

/**
 * The providers of mail that people may choose from, and any other.
 * @example
 * assert.deepEqual(Object.keys(smtp.smtpProviderVariants.forms), ["gmail", "ses", "sendgrid", "mailgun", "protonmail", "other"]);
 */
export const smtpProviderVariants = Variants.of({
  gmail: { name: "Gmail", spec: provider("smtp.gmail.com") },
  ses: { name: "Amazon SES", spec: provider("email-smtp.us-east-1.amazonaws.com") },
  sendgrid: { name: "SendGrid", spec: provider("smtp.sendgrid.net") },
  mailgun: { name: "Mailgun", spec: provider("smtp.mailgun.org") },
  protonmail: { name: "Proton Mail", spec: provider("smtp.protonmail.ch") },
  other: { name: "Other", spec: provider(null) },
});
/**
 * The form of settings of the package's own.
 * @example
 * const { spec } = await smtp.customSmtp.build({ effects, prefill: null });
 * assert.deepEqual(Object.keys(spec), ["provider"]);
 */
export const customSmtp = form({ provider: makeUnion({ name: "Provider", default: "gmail", variants: smtpProviderVariants }) });
/**
 * What may differ from the settings of the server.
 * @example
 * const { spec } = await smtp.systemSmtpSpec.build({ effects, prefill: null });
 * assert.deepEqual(Object.keys(spec), ["customFrom"]);
 */
export const systemSmtpSpec = form({
  customFrom: field.text({ name: "Custom from address", description: "In place of the address of the server's settings", required: false, default: null, inputmode: "email", patterns: [email] }),
});
const smtpVariants = Variants.of({ disabled: { name: "Disabled", spec: form({}) }, system: { name: "As the server", spec: systemSmtpSpec }, custom: { name: "Own settings", spec: customSmtp } });

const readSmtp = makeUnion({ name: "Mail", default: "disabled", variants: smtpVariants }).read;

/**
 * A field for how a package sends mail: not at all, as the server does where it can, or by settings of its own.
 * @example
 * const mail = action({ id: "mail", name: "Mail", description: "How mail is sent", input: form({ smtp: smtp.smtpInputSpec }), run: async ({ input }) => say(input.smtp.selection) });
 */
export const smtpInputSpec: Field<UnionValue<typeof smtpVariants.forms>, UnionStatic<typeof smtpVariants.forms>> = made.union(
  async ({ effects }) => ({
    name: "Mail",
    description: "How the service sends mail",
    default: "disabled",
    variants: smtpVariants,
    disabled: (await getSystemSmtp(effects).const()) ? false : ["system"],
  }),
  schema(readSmtp),
);

/** What of that is kept in a file. */
export type SmtpSelection =
  | { selection: "disabled"; value: Record<string, never> }
  | { selection: "system"; value: { customFrom?: string | null } }
  | { selection: "custom"; value: { provider: { selection: string; value: { host: string; from: string; username: string; password?: string | null; security: { selection: "tls" | "starttls"; value: { port: string } } } } } };

/**
 * A schema for what is kept: what it does not understand is no mail at all.
 * @example
 * const settings = file.json({ base: volume, subpath: "mail.json" }, smtp.smtpSelection);
 * await volume.writeFile("mail.json", "{}");
 * assert.equal((await settings.read().once())?.selection, "disabled");
 */
export const smtpSelection: Schema<SmtpSelection> = schema((value) => {
  try {
    return readSmtp(value) as SmtpSelection;
  } catch (err) {
    if (err instanceof InvalidError) return { selection: "disabled", value: {} };
    throw err;
  }
});
