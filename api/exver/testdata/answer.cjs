// Answers requests about ranges with the version library of the SDK: a line of JSON in, a line of JSON out.
const { VersionRange, ExtendedVersion } = require("@start9labs/start-sdk")

function answer({ a, b, version }) {
  let x, y
  try {
    x = VersionRange.parse(a)
    y = VersionRange.parse(b)
  } catch {
    return { ok: false }
  }
  return {
    ok: true,
    text: x.toString(),
    normal: x.normalize().toString(),
    satisfiable: x.satisfiable(),
    intersects: x.intersects(y),
    contains: ExtendedVersion.parse(version).satisfies(x),
  }
}

for (const line of require("node:fs").readFileSync(0, "utf8").trim().split("\n")) {
  console.log(JSON.stringify(answer(JSON.parse(line))))
}
