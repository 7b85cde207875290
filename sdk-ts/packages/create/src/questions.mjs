// What is asked before a project is written. Each question has a flag of the same name, a suggestion that is taken without
// a person, and says what is wrong with an answer.

/** @typedef {{ folder: string, name?: string, id: string, title: string, about: string, image: string, port: string, data: string, command: string, env: string[] }} Answers */
/** @typedef {{ name: keyof Answers, text: string, suggest: (so_far: Partial<Answers>) => string, wrong: (answer: string) => string | null }} Question */

const anything = () => null;
const needed = (/** @type {string} */ answer) => (answer === "" ? "it cannot be empty" : null);

/** @param {string} text */
export const asId = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
/** @param {string} id */
const asTitle = (id) => id.replace(/-/g, " ").replace(/^./, (c) => c.toUpperCase());

/** @type {Question[]} */
export const questions = [
  { name: "folder", text: "Folder of the project", suggest: () => "my-package", wrong: needed },
  {
    name: "id",
    text: "Id of the package",
    suggest: ({ folder = "", name = "" }) => name || asId(folder.split(/[\\/]/).filter(Boolean).at(-1) ?? "") || "my-package",
    wrong: (id) => (/^[a-z0-9]+(-[a-z0-9]+)*$/.test(id) && id.length <= 64 ? null : "an id has small letters, digits, and dashes between them"),
  },
  { name: "title", text: "Its name for people", suggest: ({ id = "" }) => asTitle(id), wrong: needed },
  { name: "about", text: "What it does, in a sentence", suggest: ({ title = "" }) => `${title}, on a server of your own`, wrong: needed },
  { name: "image", text: "Image it runs in", suggest: () => "nginx:1.29", wrong: (image) => (/^\S+$/.test(image) ? null : "an image is a name like nginx:1.29") },
  { name: "port", text: "Port of its page", suggest: () => "80", wrong: (port) => (/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535 ? null : "a port is a number from 1 to 65535") },
  { name: "data", text: "Folder in the image that is to be kept", suggest: () => "/data", wrong: (data) => (/^\/[^\s"`$\\]*$/.test(data) ? null : "it begins with a slash, and has no spaces or quotes") },
  { name: "command", text: "Command, if not that of the image", suggest: () => "", wrong: anything },
];

/** What is asked when a compose file says what runs. @type {(keyof Answers)[]} */
export const composed = ["folder", "id", "title", "about"];

/** @param {string} text */
export function wrongVariable(text) {
  return /^[A-Za-z_][A-Za-z0-9_]*(=.*)?$/.test(text) ? null : "a variable is NAME or NAME=value";
}
