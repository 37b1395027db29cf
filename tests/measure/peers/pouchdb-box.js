// A PouchDB that sends what is new to the hub behind a port: "load FILE", then "sync".
import PouchDB from "pouchdb-core";
import memory from "pouchdb-adapter-memory";
import http from "pouchdb-adapter-http";
import replication from "pouchdb-replication";
import { load, obey } from "./lines.js";

PouchDB.plugin(memory).plugin(http).plugin(replication);
const here = new PouchDB("box", { adapter: "memory" });
let requests = 0;
const counted = (url, options) => {
  requests += 1;
  return PouchDB.fetch(url, options);
};
const there = new PouchDB(`http://127.0.0.1:${process.argv[2]}/clinic`, { fetch: counted });

await obey({
  load: (path) =>
    load(
      path,
      (id, value) => here.put({ ...value, _id: id }),
      async (id, change) => {
        const document = await here.get(id);
        change(document);
        await here.put(document);
      },
    ),
  async sync() {
    requests = 0;
    const done = await here.replicate.to(there);
    if (!done.ok || done.doc_write_failures > 0) throw new Error(JSON.stringify(done));
    return requests;
  },
});
