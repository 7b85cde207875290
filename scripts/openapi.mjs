// Completes the merged OpenAPI document by what the generator cannot know of Hearth: what it is, how callers prove who
// they are, that every refusal is a fault, and that streams are lines of JSON. Prints the document.
import { readFileSync } from "node:fs";

const doc = JSON.parse(readFileSync(process.argv[2], "utf8"));
const schemas = doc.components.schemas;
const json = (schema) => ({ "application/json": { schema } });
const ref = (name) => ({ $ref: `#/components/schemas/${name}` });

doc.info = {
  title: "Hearth",
  version: "v1",
  description: "The public contract of a Hearth server, as REST. The same methods answer gRPC, gRPC-Web, Connect and JSON-RPC.",
  license: { name: "MIT", identifier: "MIT" },
};
doc.servers = [{ url: "/", description: "The server this document comes from." }];
doc.security = [{ bearer: [] }, {}];

// A refusal as it is written: the fault with its code before it.
schemas["hearth.meta.v1.Refusal"] = {
  description: "Why a call was refused or failed: the fault, and the class it belongs to.",
  allOf: [
    ref("hearth.meta.v1.Fault"),
    { type: "object", required: ["code"], properties: { code: { type: "string", description: "The class of the reason, as in CODE_NOT_FOUND." } } },
  ],
};
doc.components.securitySchemes = {
  bearer: { type: "http", scheme: "bearer", description: "A token. On the local socket root and the daemon's own user need none." },
};

for (const item of Object.values(doc.paths)) {
  for (const operation of Object.values(item)) {
    const answers = operation.responses;
    answers.default = { description: "The call was refused or failed.", content: json(ref("hearth.meta.v1.Refusal")) };
    const ok = answers["200"];
    if (!ok?.description?.endsWith(" (streaming responses)")) continue;
    const message = Object.values(ok.content)[0].schema;
    ok.description = ok.description.replace(" (streaming responses)", " One JSON object a line.");
    ok.content = {
      "application/x-ndjson": {
        schema: {
          description: "A message as result; as the last line why the stream ended too early, where it did.",
          oneOf: [
            { type: "object", required: ["result"], properties: { result: message.properties?.result ?? message } },
            ref("hearth.meta.v1.Refusal"),
          ],
        },
      },
    };
  }
}

// What only the replaced answers used.
for (let gone = true; gone; ) {
  const used = JSON.stringify(doc);
  gone = false;
  for (const name of Object.keys(schemas)) {
    if (!used.includes(`"#/components/schemas/${name}"`)) {
      delete schemas[name];
      gone = true;
    }
  }
}

const sorted = (object) => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
doc.paths = sorted(doc.paths);
doc.components.schemas = sorted(schemas);
console.log(JSON.stringify(doc, null, 2));
