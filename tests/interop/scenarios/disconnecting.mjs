// Who ends a connection, and the reason each side is given.

import { ask, assert, next, settle } from "../harness.mjs";

async function ended(context, socket, end) {
  const { id } = socket;
  const left = next(socket, "disconnect", { all: true });
  await end(socket);
  const [reason] = await left;
  const record = await context.serverSaw("disconnect", { id });
  assert.equal(record.connected, false);
  const before = await context.serverSaw("disconnecting", { id });
  assert.equal(before.reason, record.reason);
  assert.equal(before.connected, true);
  assert.ok(before.rooms.includes(id));
  return { client: reason, server: record.reason };
}

export async function disconnectsItself(context) {
  const socket = await context.connect();
  assert.deepEqual(await ended(context, socket, () => socket.disconnect()), {
    client: "io client disconnect",
    server: "client namespace disconnect",
  });
}

export async function isDisconnectedByTheServer(context) {
  const socket = await context.connect();
  assert.deepEqual(await ended(context, socket, () => socket.emit("disconnect me")), {
    client: "io server disconnect",
    server: "server namespace disconnect",
  });
}

export async function isDisconnectedInAllNamespaces(context) {
  const socket = await context.connect();
  const chat = context.join(socket, "/chat");
  await next(chat, "connect");
  const { id } = chat;
  const left = next(chat, "disconnect", { all: true });
  const closed = next(socket.io.engine, "close");
  const main = await ended(context, socket, () => socket.emit("disconnect me", true));
  assert.deepEqual(main, {
    client: "io server disconnect",
    server: "server namespace disconnect",
  });
  assert.equal((await left)[0], "io server disconnect");
  await context.serverSaw("disconnect", { id, reason: "server namespace disconnect" });
  await closed;
}

export async function closesItsTransport(context) {
  const socket = await context.connect();
  const found = await ended(context, socket, () => socket.io.engine.close());
  assert.equal(found.server, "transport close");
}

export async function hasItsTransportClosedByTheServer(context) {
  const socket = await context.connect();
  assert.deepEqual(await ended(context, socket, () => socket.emit("close my connection")), {
    client: "transport close",
    server: "forced close",
  });
}

export async function losesItsTransport(context) {
  if (context.mode === "polling") return; // nothing tells a server that a poller is gone
  const socket = await context.connect();
  const found = await ended(context, socket, () => socket.io.engine.transport.ws.terminate());
  assert.deepEqual(found, { client: "transport close", server: "transport close" });
}

export async function comesAgainAfterItClosedItsEngine(context) {
  const socket = await context.connect("/", { reconnection: true, reconnectionDelay: 20 });
  const { id } = socket;
  socket.io.engine.close();
  await next(socket, "connect");
  assert.notEqual(socket.id, id);
  assert.ok(!socket.recovered);
  await settle(socket);
}

export async function comesAgainAfterTheServerClosedItsEngine(context) {
  const socket = await context.connect("/", { reconnection: true, reconnectionDelay: 20 });
  const chat = context.join(socket, "/chat");
  await next(chat, "connect");
  const again = [next(socket, "connect"), next(chat, "connect")];
  socket.emit("close my connection");
  await Promise.all(again);
  await settle(socket, chat);
}

export async function isClosedForTooManyAttachments(context) {
  const socket = await context.connect();
  const blobs = Array.from({ length: 11 }, (_, index) => Buffer.from([index]));
  const found = await ended(context, socket, () => socket.emit("echo", ...blobs));
  assert.equal(found.server, "forced close");
}

export async function isClosedForAMessageThatIsTooLarge(context) {
  const socket = await context.connect();
  const { id } = socket;
  const left = next(socket, "disconnect", { all: true });
  socket.emit("echo", "x".repeat(1_000_100));
  const [reason] = await left;
  if (context.mode === "polling") {
    assert.equal(reason, "transport error"); // the request was answered with 413
  } else {
    assert.equal(reason, "transport close");
    await context.serverSaw("disconnect", { id, reason: "transport error" });
  }
}

// While one handler sleeps, its client goes away; another client looks on.
export async function isSeenToLeaveWhileAHandlerBlocks(context) {
  const socket = await context.connect();
  const { id } = socket;
  socket.emit("block", 30);
  await context.serverSaw("blocking");
  const began = Date.now();
  socket.disconnect();
  await context.serverSaw("disconnect", { id, reason: "client namespace disconnect" });
  assert.ok(Date.now() - began < 2000, `it took ${Date.now() - began} ms`);
}

export async function emitsNothingMoreAfterItDisconnected(context) {
  const socket = await context.connect();
  const watcher = await context.connect();
  const { id } = socket;
  socket.emit("record", "before");
  await settle(socket);
  socket.disconnect();
  socket.emit("record", "after");
  await context.serverSaw("disconnect", { id });
  await ask(watcher, "one", 1);
  const records = await context.records("recorded");
  assert.deepEqual(records.map(({ args }) => args[0]), ["before"]);
}

export async function keepsItsConnectionThoughEventsWereUnderWayForTheNamespace(context) {
  const socket = await context.connect();
  const chat = context.join(socket, "/chat");
  await next(chat, "connect");
  let closed = false;
  socket.io.engine.once("close", () => (closed = true));
  const left = next(chat, "disconnect", { all: true });
  chat.emit("disconnect me");
  while (chat.connected) {
    chat.emit("echo", "late");
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal((await left)[0], "io server disconnect");
  await settle(socket);
  assert.equal(closed, false);
  assert.equal(socket.connected, true);
}
