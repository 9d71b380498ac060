// The server goes away and comes back. The test that starts this one waits for the
// lines printed here and acts on the server meanwhile.

import { ask, assert, connected, next, settle, upgraded } from "../harness.mjs";

const OFTEN = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100 };

export async function comesBackToANewServer(context) {
  const socket = await context.connect("/", OFTEN);
  const chat = context.join(socket, "/chat");
  await next(chat, "connect");
  const { id } = socket;
  const left = next(socket, "disconnect", { all: true, within: 10_000 });
  console.log("connected");
  const [reason] = await left;
  assert.ok(["transport close", "transport error"].includes(reason), reason);
  socket.emit("count", "while it was away");
  console.log("left");
  await next(socket, "connect", { within: 10_000 });
  await connected(chat);
  assert.notEqual(socket.id, id);
  if (context.mode === "upgrade") await upgraded(socket);
  assert.deepEqual(await ask(socket, "counted"), ["while it was away"]);
  await settle(socket, chat);
}

export async function isToldThatTheServerShutsDown(context) {
  const socket = await context.connect();
  const left = next(socket, "disconnect", { all: true, within: 10_000 });
  console.log("connected");
  const [reason] = await left;
  assert.equal(reason, "transport close");
}
