// Reads package files with the reader of the SDK, every byte of them, and prints what it saw, a line for each.
const fs = require("node:fs")
const { S9pk } = require("@start9labs/start-sdk")

async function files(entries, prefix, seen) {
  for (const [name, entry] of Object.entries(entries)) {
    if (entry.contents === null) continue // left out of this copy
    if (entry.contents.constructor.name === "DirectoryContents") {
      await files(entry.contents.contents, `${prefix}${name}/`, seen)
    } else {
      seen[prefix + name] = (await entry.verifiedFileContents()).byteLength
    }
  }
  return seen
}

async function main(path) {
  const s9pk = await S9pk.deserialize(new Blob([fs.readFileSync(path)]), null)
  await s9pk.icon()
  console.log(
    JSON.stringify({
      manifest: s9pk.manifest,
      license: await s9pk.license(),
      instructions: (await s9pk.instructions()) ?? "",
      dependencies: await s9pk.dependencyMetadata(),
      files: await files(s9pk.archive.contents.contents, "", {}),
    }),
  )
}

async function all(paths) {
  for (const path of paths) await main(path)
}

all(process.argv.slice(2)).catch((e) => {
  console.error(e)
  process.exit(1)
})
