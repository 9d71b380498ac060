// Connecting: credentials, and what the server knows about the connection.

import { ask, assert, connected, next, settle, until } from "../harness.mjs";

export async function connectsWithAuth(context) {
  const socket = await context.connect("/", { auth: { user: "Zoë", roles: ["a", "b"] } });
  const { auth } = await ask(socket, "handshake");
  assert.deepEqual(auth, { tag: context.tag, user: "Zoë", roles: ["a", "b"] });
}

export async function connectsWithAuthFromAFunction(context) {
  const auth = (answer) => answer({ tag: context.tag, token: "computed" });
  const socket = await context.connect("/", { auth });
  assert.equal((await ask(socket, "handshake")).auth.token, "computed");
}

export async function hasAPublicIdOfItsOwn(context) {
  const socket = await context.connect();
  const { engine } = await ask(socket, "handshake");
  assert.equal(engine, socket.io.engine.id);
  assert.equal(socket.id.length, 20);
  assert.equal(engine.length, 20);
  assert.notEqual(socket.id, engine);
}

export async function tellsTheServerHowItCame(context) {
  const before = Date.now();
  const socket = await context.connect("/", {
    query: { colour: "dark blue", sign: "ü&=" },
    extraHeaders: { "X-Custom": "yes" },
  });
  const found = await ask(socket, "handshake");
  assert.equal(found.query.colour, "dark blue");
  assert.equal(found.query.sign, "ü&=");
  assert.equal(found.query.EIO, "4");
  assert.equal(found.headers["x-custom"], "yes");
  assert.equal(found.address, "127.0.0.1");
  assert.equal(found.secure, false);
  assert.equal(found.xdomain, false);
  assert.ok(found.url.startsWith("/socket.io/?"), found.url);
  assert.ok(Math.abs(found.issued - before) < 10_000, `issued ${found.issued}`);
  assert.match(found.time, /\b20\d\d\b/);
  assert.equal(found.recovered, false);
}

export async function knowsTheTransport(context) {
  const socket = await context.connect();
  const expected = context.mode === "polling" ? "polling" : "websocket";
  assert.equal(socket.io.engine.transport.name, expected);
  assert.equal((await ask(socket, "handshake")).transport, expected);
}

export async function sendsWhatWasEmittedBeforeTheConnection(context) {
  const socket = context.open();
  socket.emit("count", 1);
  socket.emit("count", 2);
  await connected(socket);
  assert.deepEqual(await ask(socket, "counted"), [1, 2]);
}

export async function connectsAgainAfterItDisconnected(context) {
  const socket = await context.connect();
  const first = socket.id;
  const { engine } = socket.io;
  socket.disconnect();
  await context.serverSaw("disconnect", { id: first });
  // Version 2 takes the end of the old connection for the end of the new one otherwise.
  await until(() => engine.readyState === "closed", "the end of the connection");
  socket.connect();
  await next(socket, "connect");
  assert.notEqual(socket.id, first);
  await settle(socket);
}
