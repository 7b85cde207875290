// The OpenAPI document is what its own specification asks for, and says of Hearth what is true.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";

const text = readFileSync(new URL("../../../../api/openapi/openapi.json", import.meta.url), "utf8");

test("the document is valid OpenAPI 3.1", async () => {
  const validator = new Validator();
  const result = await validator.validate(JSON.parse(text));
  assert.deepEqual(result.errors, undefined);
  assert.equal(validator.version, "3.1");
  // The validator can tell: without what the specification requires the document is refused.
  const broken = JSON.parse(text);
  delete broken.info.title;
  assert.equal((await new Validator().validate(broken)).valid, false);
});

test("references lead somewhere, refusals are faults and streams are lines", () => {
  const doc = JSON.parse(text);
  for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) assert.ok(doc.components.schemas[name], name);
  const ids = new Set();
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const operation of Object.values(item)) {
      assert.ok(!ids.has(operation.operationId), `${path}: ${operation.operationId} is there twice`);
      ids.add(operation.operationId);
      const refusal = operation.responses.default.content["application/json"].schema.$ref;
      assert.equal(refusal, "#/components/schemas/hearth.meta.v1.Refusal");
    }
  }
  assert.ok(doc.paths["/api/v1/state:watch"].post.responses["200"].content["application/x-ndjson"]);
  assert.ok(!text.includes("hearth.effects.v1") && !text.includes("hearth.door.v1") && !text.includes("hearth.agent.v1"));
});
