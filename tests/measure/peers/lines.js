// Lines of the workload as documents, the same for each peer: a document a patient, a visit and a reading.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

/** Calls `put(id, value)` for a new document and `edit(id, change)` for one that was there. */
export async function load(path, put, edit) {
  for (const line of readFileSync(path, "utf8").split("\n")) {
    if (line === "") continue;
    const value = JSON.parse(line);
    if (value.t === "edit") {
      await edit(value.doc, (document) => apply(document, value));
    } else if (value.id !== undefined) {
      await put(value.id, value);
    }
  }
}

function apply(document, { path, op, value }) {
  let inside = document;
  for (const key of path.slice(0, -1)) inside = inside[key] ??= {};
  const last = path.at(-1);
  if (op === "push") (inside[last] ??= []).push(value);
  else inside[last] = value;
}

/** Answers each line of the input with a line: "done" and what the word's function returned. */
export async function obey(words) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [word, argument] = line.split(" ");
    const answer = await words[word](argument);
    console.log(`done ${answer ?? ""}`.trim());
  }
  process.exit(0);
}
