// What Node's test runner finds, as lines of JSON: a row for each test, and what tests print.
const worded = (error) => error?.cause?.message ?? error?.message ?? String(error);

export default async function* report(events) {
  for await (const { type, data } of events) {
    if (type === "test:stdout" || type === "test:stderr") yield `${JSON.stringify({ event: "output", message: data.message.replace(/\n$/, "") })}\n`;
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.details?.type === "suite") continue;
    const skipped = data.skip !== undefined || data.todo !== undefined;
    yield `${JSON.stringify({
      event: "test",
      name: data.name,
      file: data.file ?? "",
      result: skipped ? "skipped" : type === "test:pass" ? "passed" : "failed",
      seconds: (data.details?.duration_ms ?? 0) / 1000,
      message: type === "test:fail" ? worded(data.details?.error) : "",
    })}\n`;
  }
}
