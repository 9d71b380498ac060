// The Node server of the cluster, with the same behaviour as server.py.
//
// Start it alone with `node neighbour.mjs --port 5003 --redis redis://127.0.0.1:6379`.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { parseArgs } from "node:util";

import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "5003" },
    redis: { type: "string", default: "redis://127.0.0.1:6379" },
  },
});
const ROOM = "everyone";
const NAME = `Node on port ${values.port}`;

const publisher = createClient({ url: values.redis });
const subscriber = publisher.duplicate();
for (const client of [publisher, subscriber]) {
  client.on("error", (error) => console.error(`Redis: ${error.message}`));
}
await Promise.all([publisher.connect(), subscriber.connect()]);

// The page, and what makes it look like the chat's.
const files = { "/": ["page.html", "text/html"] };
files["/chat.css"] = ["../chat/static/chat.css", "text/css"];
files["/elements.js"] = ["../chat/static/elements.js", "text/javascript"];
files["/icon.svg"] = ["../chat/static/icon.svg", "image/svg+xml"];
const http = createServer(async (request, response) => {
  const [name, type] = files[request.url] ?? [];
  if (!name) return response.writeHead(404).end();
  response.setHeader("Content-Type", `${type}; charset=utf-8`);
  response.end(await readFile(new URL(name, import.meta.url)));
});
const io = new Server(http, { adapter: createAdapter(publisher, subscriber) });

io.on("connection", async (socket) => {
  socket.join(ROOM);
  socket.emit("welcome", NAME);
  socket.on("say", (text, done) => {
    if (typeof text !== "string" || text.length === 0 || text.length > 500) return done?.();
    // To the clients of all servers, Python and Node.
    io.to(ROOM).emit("said", NAME, text);
    done?.("delivered");
  });
  socket.on("disconnect", countPeople);
  await countPeople();
});

// Sends all clients their number, over all servers.
async function countPeople() {
  try {
    io.to(ROOM).emit("people", (await io.in(ROOM).fetchSockets()).length);
  } catch (error) {
    console.error(`clients not counted: ${error.message}`); // another server did not answer
  }
}

http.listen(Number(values.port), "127.0.0.1", () => console.log(` * Running on ${NAME}`));
process.on("SIGTERM", () => process.exit(0));
