// What a compose file mounts from the folder beside it: files that come with the package, and places for data.
import { lstatSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { join, posix, relative, sep } from "node:path";
import { short, WrongFile } from "./compose-values.mjs";

const limits = { files: 500, bytes: 16 << 20, depth: 16 };

export class Assets {
  /** @type {Map<string, Buffer>} */
  files = new Map();
  #bytes = 0;

  constructor(/** @type {string} */ folder, /** @type {(note: string) => void} */ note) {
    this.root = realpathSync(folder);
    this.note = note;
  }

  /** The real path of something beside the file, null when there is nothing. What lies elsewhere is refused. @param {string} path */
  inside(path) {
    if (path.includes("\0")) throw new WrongFile(`${short(path)} is no path`);
    let real;
    try {
      real = realpathSync(join(this.root, path));
    } catch {
      return null;
    }
    if (real !== this.root && !real.startsWith(this.root + sep)) throw new WrongFile(`${short(path)} does not lie beside the file`);
    return real;
  }

  /**
   * Takes along what is mounted, where it is a file or is not written to.
   * @param {string} service @param {string} source @param {boolean} readonly
   * @returns {"outside" | "data" | { path: string }}
   */
  bind(service, source, readonly) {
    if (/^[/~]/.test(source)) {
      this.note(`${service}: ${source} of the machine is not mounted: a package does not see it`);
      return "outside";
    }
    const plain = posix.normalize(source).replace(/\/+$/, "");
    if (plain === "." || plain.split("/").includes("..")) {
      this.note(`${service}: ${source} is not mounted: only what lies in a folder beside the file comes along`);
      return "outside";
    }
    const real = this.inside(plain);
    const folder = real !== null && lstatSync(real).isDirectory();
    if (real === null || (folder && !readonly)) {
      if (folder && readdirSync(real).length > 0) this.note(`${service}: what is in ${source} is not taken along: it is a place for data, and begins empty`);
      return "data";
    }
    this.#take(real, `assets/${plain}`, 0);
    if (!readonly) this.note(`${service}: ${source} comes with the package and cannot be written to`);
    return { path: plain };
  }

  #take(/** @type {string} */ real, /** @type {string} */ path, /** @type {number} */ depth) {
    const info = lstatSync(real);
    if (info.isDirectory() && depth < limits.depth) {
      for (const name of readdirSync(real).sort()) this.#take(join(real, name), `${path}/${name}`, depth + 1);
    } else if (info.isFile()) {
      this.#bytes += info.size;
      if (this.files.size >= limits.files || this.#bytes > limits.bytes) throw new WrongFile(`more than ${limits.files} files, or ${limits.bytes >> 20} MiB, are mounted from beside it`);
      this.files.set(path, readFileSync(real));
    } else this.note(`${relative(this.root, real)} is not taken along, as it is no file`);
  }
}
