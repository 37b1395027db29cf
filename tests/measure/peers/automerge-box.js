// An automerge-repo that keeps its documents equal to those of the hub behind a port: "load FILE", then "tell FILE" writes
// what the hub should hold.
import { writeFileSync } from "node:fs";
import { Repo } from "@automerge/automerge-repo";
import { WebSocketClientAdapter } from "@automerge/automerge-repo-network-websocket";
import { load, obey } from "./lines.js";

const repo = new Repo({
  network: [new WebSocketClientAdapter(`ws://127.0.0.1:${process.argv[2]}`, 1_000)],
  sharePolicy: async () => true,
});
const handles = new Map();

await obey({
  load: (path) =>
    load(
      path,
      (id, value) => handles.set(id, repo.create(value)),
      (id, change) => handles.get(id).change(change),
    ),
  tell(path) {
    const heads = [...handles.values()].map((handle) => [handle.documentId, JSON.stringify(handle.heads())]);
    writeFileSync(path, JSON.stringify(Object.fromEntries(heads)));
  },
});
