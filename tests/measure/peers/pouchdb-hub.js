// A CouchDB-speaking server on a free port: express-pouchdb over a store in memory.
import PouchDB from "pouchdb-core";
import memory from "pouchdb-adapter-memory";
import mapreduce from "pouchdb-mapreduce";
import replication from "pouchdb-replication";
import express from "express";
import expressPouchdb from "express-pouchdb";

PouchDB.plugin(memory).plugin(mapreduce).plugin(replication);
const app = express();
app.use(expressPouchdb(PouchDB.defaults({ adapter: "memory" }), { mode: "minimumForPouchDB", inMemoryConfig: true, logPath: process.env.LOG }));
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
