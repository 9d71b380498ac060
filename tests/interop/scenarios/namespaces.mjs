// Namespaces: several on one connection, refusals, declared handlers.

import { ask, assert, chain, collect, next, settle } from "../harness.mjs";

export async function hasSeveralNamespacesOnOneConnection(context) {
  const socket = await context.connect();
  const chat = context.join(socket, "/chat", { name: "in chat" });
  await next(chat, "connect");
  const [one, two] = [await ask(socket, "handshake"), await ask(chat, "handshake")];
  assert.equal(one.engine, two.engine);
  assert.notEqual(socket.id, chat.id);
  assert.equal(two.auth.name, "in chat");
  const seen = { main: collect(socket, "echo"), chat: collect(chat, "echo") };
  chat.emit("echo", "chat", Buffer.from([1]));
  socket.emit("echo", "main");
  await settle(socket, chat);
  assert.deepEqual(seen, { main: ["main"], chat: [["chat", Buffer.from([1])]] });
}

export async function hearsOnlyItsOwnNamespace(context) {
  const socket = await context.connect();
  const chat = context.join(socket, "/chat");
  await next(chat, "connect");
  const room = context.name("room");
  await ask(socket, "join", room);
  await ask(chat, "join", room);
  const seen = { main: collect(socket, "news"), chat: collect(chat, "news") };
  await chain(socket, "io", ["of", "/chat"], ["to", room], ["emit", "news", "chat"]);
  await chain(socket, "io", ["to", room], ["emit", "news", "main"]);
  await settle(socket, chat);
  assert.deepEqual(seen, { main: ["main"], chat: ["chat"] });
}

export async function isRefusedByAMiddleware(context) {
  const socket = await context.connect();
  const secret = context.join(socket, "/secret", { token: "wrong" });
  const error = await next(secret, "connect_error");
  assert.equal(error.message, "not authorized");
  assert.deepEqual(error.data, { code: 42, hint: ["ask", "nicely"] });
  assert.equal(secret.connected, false);
  const plain = await next(context.join(socket, "/plain-refusal"), "connect_error");
  assert.equal(plain.message, "closed today");
  assert.equal(plain.data, undefined);
  await settle(socket);
}

export async function isLetInWithBetterCredentials(context) {
  const socket = await context.connect();
  const secret = context.join(socket, "/secret", { token: "wrong" });
  await next(secret, "connect_error");
  secret.auth = { tag: context.tag, token: "right" };
  const welcome = next(secret, "welcome", { all: true });
  secret.connect();
  assert.deepEqual(await welcome, ["/secret", { checked: true }, ["checked"]]);
}

export async function isToldThatANamespaceIsUnknown(context) {
  const socket = await context.connect();
  for (const name of ["/nowhere", "/chat/", "/Chat", "/chat?a=b", "/größe"]) {
    const error = await next(context.join(socket, name), "connect_error");
    assert.equal(error.message, "Invalid namespace", name);
  }
  await settle(socket);
}

export async function leavesOneNamespaceAndKeepsTheOthers(context) {
  const socket = await context.connect();
  const chat = context.join(socket, "/chat");
  await next(chat, "connect");
  const { id } = chat;
  chat.disconnect();
  const gone = await context.serverSaw("disconnect", { id });
  assert.equal(gone.reason, "client namespace disconnect");
  assert.equal(gone.nsp, "/chat");
  await settle(socket);
  chat.connect();
  await next(chat, "connect");
  await settle(chat, socket);
}

export async function isPutOutOfOneNamespaceOnly(context) {
  const socket = await context.connect();
  const chat = context.join(socket, "/chat");
  await next(chat, "connect");
  const { id } = chat;
  const left = next(chat, "disconnect", { all: true });
  chat.emit("disconnect me");
  assert.equal((await left)[0], "io server disconnect");
  await context.serverSaw("disconnect", { id, reason: "server namespace disconnect" });
  await settle(socket);
}

export async function worksWithoutTheMainNamespace(context) {
  const chat = await context.connect("/chat");
  await settle(chat);
  assert.equal((await context.records("connection")).length, 1);
}

export async function callsDeclaredHandlers(context) {
  const socket = await context.connect("/declared");
  assert.equal(await ask(socket, "add", 1, 2), 3);
  const based = context.join(socket, "/class");
  assert.equal(await next(based, "welcome"), "class");
  assert.equal(await ask(based, "add", 3, 4), 7);
}

export async function callsHandlersInThreadsAndFallbacks(context) {
  const socket = await context.connect("/declared");
  socket.on("question", (value, answer) => answer(Buffer.from([value])));
  assert.deepEqual(await ask(socket, "ask back", 7), Buffer.from([7]));
  const bytes = Buffer.from([1, 2]);
  assert.deepEqual(await ask(socket, "unheard of", bytes, "x"), ["unheard of", bytes, "x"]);
}

// One handler waits for what the next event of the same client does.
export async function callsConcurrentHandlers(context) {
  const socket = await context.connect("/declared");
  const waiting = ask(socket, "wait");
  socket.emit("release");
  assert.equal(await waiting, "released");
}
