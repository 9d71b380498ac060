// The same three events as node.js, on Bun's own HTTP server with socket.io's engine for it.

import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";

const argument = (name) => process.argv[process.argv.indexOf(name) + 1];

if (process.argv.includes("--versions")) {
  const { version } = await import("@socket.io/bun-engine/package.json");
  console.log(JSON.stringify({ bun: Bun.version, "@socket.io/bun-engine": version }));
  process.exit(0);
}

const io = new Server();
// Its own default is another path.
const engine = new Engine({ path: "/socket.io/" });
io.bind(engine);

io.on("connection", (socket) => {
  socket.on("echo", (payload) => socket.emit("echo", payload));
  socket.on("ack", (payload, done) => done(payload));
  socket.on("bcast", (payload) => io.emit("b", payload));
});

const port = Number(argument("--port"));
Bun.serve({ port, hostname: "127.0.0.1", idleTimeout: 30, ...engine.handler() });
console.log(`listening ${port}`);
