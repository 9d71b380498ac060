"use strict";
// The same three events as the Python servers, on socket.io from npm with its default options.
// socket.io comes from node_modules of the repository or from NODE_PATH.

const { createServer } = require("node:http");

function load(name) {
  try {
    return require(name);
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    console.error(`the npm package ${name} is missing: run \`npm install\` in the root of the repository`);
    process.exit(1);
  }
}

const { Server } = load("socket.io");
const argument = (name) => process.argv[process.argv.indexOf(name) + 1];

if (process.argv.includes("--versions")) {
  const { version } = load("socket.io/package.json");
  console.log(JSON.stringify({ node: process.version, "socket.io": version }));
  process.exit(0);
}

const http = createServer();
const io = new Server(http, { serveClient: false });

io.on("connection", (socket) => {
  socket.on("echo", (payload) => socket.emit("echo", payload));
  socket.on("ack", (payload, done) => done(payload));
  socket.on("bcast", (payload) => io.emit("b", payload));
});

http.listen(Number(argument("--port")), "127.0.0.1", () => {
  console.log(`listening ${http.address().port}`);
});
