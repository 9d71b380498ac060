"use strict";
// The events of node.js on the workers of Node's cluster module: sticky sessions in the primary
// process, and the cluster adapter. The packages come from node_modules or from NODE_PATH.

const cluster = require("node:cluster");
const { createServer } = require("node:http");
const { Server } = require("socket.io");
const { setupMaster, setupWorker } = require("@socket.io/sticky");
const { createAdapter, setupPrimary } = require("@socket.io/cluster-adapter");

const argument = (name) => Number(process.argv[process.argv.indexOf(name) + 1]);

if (cluster.isPrimary) {
  const http = createServer();
  setupMaster(http, { loadBalancingMethod: "least-connection" });
  setupPrimary();
  cluster.setupPrimary({ serialization: "advanced" }); // chunks of requests are bytes
  http.listen(argument("--port"), "127.0.0.1");
  for (let number = 0; number < argument("--workers"); number += 1) cluster.fork();
} else {
  const io = new Server(createServer(), { serveClient: false });
  io.adapter(createAdapter());
  setupWorker(io);
  io.on("connection", (socket) => {
    socket.on("echo", (payload) => socket.emit("echo", payload));
    socket.on("ack", (payload, done) => done(payload));
    socket.on("bcast", (payload) => io.emit("b", payload));
  });
}
