// A little of everything, for each web server the library runs under.

import { ask, assert, collect, next, range, settle } from "../harness.mjs";

export async function smoke(context) {
  const socket = await context.connect("/", { auth: { user: "Zoë" } });
  assert.equal((await ask(socket, "handshake")).auth.user, "Zoë");
  await events(socket);
  await acknowledgements(socket);
  const chat = context.join(socket, "/chat");
  await next(chat, "connect");
  await settle(chat);
  assert.deepEqual(await context.get("/log?kind=none"), []);
  const { id } = socket;
  chat.disconnect();
  await context.serverSaw("disconnect", { nsp: "/chat", reason: "client namespace disconnect" });
  socket.disconnect();
  await context.serverSaw("disconnect", { id, reason: "client namespace disconnect" });
}

async function events(socket) {
  const echoes = collect(socket, "echo");
  const blob = Buffer.from(range(256));
  const text = "ü".repeat(50_000);
  socket.emit("echo", "text", { nested: [1, null] });
  socket.emit("echo", { blob }, Buffer.alloc(0));
  socket.emit("echo", text);
  for (const number of range(50)) socket.emit("echo", number);
  await settle(socket);
  assert.deepEqual(echoes, [
    ["text", { nested: [1, null] }],
    [{ blob }, Buffer.alloc(0)],
    text,
    ...range(50),
  ]);
}

async function acknowledgements(socket) {
  socket.on("question", (...args) => args.pop()(...args));
  assert.deepEqual(await ask(socket, "ask", "one"), ["str", "one"]);
  const found = await ask(socket, "one", { blob: Buffer.from([1, 2]) });
  assert.deepEqual(found, { blob: Buffer.from([1, 2]) });
}

// The server is asked to end while this client is connected.
export async function staysUntilTheServerIsGone(context) {
  const socket = await context.connect();
  const left = next(socket, "disconnect", { all: true, within: 15_000 });
  console.log("connected");
  await left;
}
