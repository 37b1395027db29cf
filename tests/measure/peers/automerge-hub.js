// The sync server of automerge-repo on a free port, in memory: "same FILE" waits until it holds every document as told.
import { readFileSync } from "node:fs";
import { WebSocketServer } from "ws";
import { Repo } from "@automerge/automerge-repo";
import { WebSocketServerAdapter } from "@automerge/automerge-repo-network-websocket";
import { obey } from "./lines.js";

const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
// A ping closes a connection whose answer waits behind much else; this is a fast line.
const repo = new Repo({ network: [new WebSocketServerAdapter(server, 600_000)] });
server.on("listening", () => console.log(server.address().port));

await obey({
  async same(path) {
    const told = Object.entries(JSON.parse(readFileSync(path, "utf8")));
    const lacks = ([id, heads]) => {
      const handle = repo.handles[id];
      return !handle?.isReady() || JSON.stringify(handle.heads()) !== heads;
    };
    while (told.some(lacks)) await new Promise((wake) => setTimeout(wake, 200));
  },
});
