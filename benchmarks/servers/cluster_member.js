"use strict";
// The twin of cluster_member.py: socket.io with an adapter of its own project and the `redis` client, all from npm.

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
const { createClient } = load("redis");
const { createAdapter, createShardedAdapter } = load("@socket.io/redis-adapter");
const { createAdapter: createStreamsAdapter } = load("@socket.io/redis-streams-adapter");
const argument = (name) => process.argv[process.argv.indexOf(name) + 1];

if (process.argv.includes("--versions")) {
  const names = ["socket.io", "@socket.io/redis-adapter", "@socket.io/redis-streams-adapter"];
  const versions = names.map((name) => [name, load(`${name}/package.json`).version]);
  console.log(JSON.stringify({ node: process.version, ...Object.fromEntries(versions) }));
  process.exit(0);
}

async function connected() {
  const client = createClient({ url: argument("--redis") });
  client.on("error", (error) => console.error(`redis: ${error.message}`));
  await client.connect();
  return client;
}

async function adapter() {
  switch (argument("--adapter")) {
    case "classic":
      return createAdapter(await connected(), await connected());
    case "sharded":
      return createShardedAdapter(await connected(), await connected());
    case "streams":
      return createStreamsAdapter(await connected());
    default:
      return undefined;
  }
}

async function main() {
  const http = createServer();
  const io = new Server(http, { serveClient: false, adapter: await adapter() });
  io.of("/ask").on("connection", (socket) => {
    socket.on("bcast", (payload, done) => {
      io.emit("b", payload);
      done?.();
    });
  });
  http.listen(Number(argument("--port")), "127.0.0.1", () => {
    console.log(`listening ${http.address().port}`);
  });
}

main();
