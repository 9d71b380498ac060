// The client loses its connection and comes back as who it was, or as somebody new.

import { assert, ask, chain, collect, connected, next, settle, until, upgraded } from "../harness.mjs";
import { Proxy } from "../../browser/proxy.mjs";

// The connection ends as it does when a network goes; nobody said goodbye.
async function lose(socket) {
  const left = next(socket, "disconnect");
  socket.io.engine.close();
  await left;
}

async function comeBack(context, socket) {
  socket.connect();
  await connected(socket);
  if (context.mode === "upgrade") await upgraded(socket);
}

// The client, what it got as "news", and another client that makes the server act.
async function pair(context, options) {
  const socket = await context.connect("/", options);
  const other = await context.connect();
  return [socket, other, collect(socket, "news")];
}

const emit = (other, room, ...args) => chain(other, "io", ["to", room], ["emit", "news", ...args]);

// Without their offsets, and with the bytes of each buffer.
const plain = (events) =>
  events.map((args) =>
    [args].flat().filter((arg) => typeof arg !== "string").map((arg) => (Buffer.isBuffer(arg) ? [...arg] : arg)),
  );

export async function isRecoveredWithWhatItMissed(context) {
  const [socket, other, news] = await pair(context);
  const room = context.name("room");
  const { id } = socket;
  assert.ok(!socket.recovered);
  await chain(socket, "socket", ["join", room]);
  await emit(other, room, 1);
  await until(() => news.length === 1, "the first event");
  await lose(socket);
  await context.serverSaw("disconnect", { id, reason: "transport close" });
  await emit(other, room, 2);
  await emit(other, id, 3, Buffer.from([0, 255]));
  await emit(other, context.name("another room"), 4);
  await chain(other, "io", ["to", room], "volatile", ["emit", "news", 5]);
  await chain(other, "io", ["to", room], ["except_", id], ["emit", "news", 6]);
  await emit(other, room, 7);
  // What it got before it was connected is handed out before `connect`.
  const before = new Promise((resolve) => socket.once("connect", () => resolve(news.length)));
  await comeBack(context, socket);
  assert.equal(socket.recovered, true);
  assert.equal(socket.id, id);
  assert.equal(await before, 4);
  assert.deepEqual(plain(news), [[1], [2], [3, [0, 255]], [7]]);
  await emit(other, room, 8);
  await settle(socket);
  assert.deepEqual(plain(news).slice(4), [[8]]);
  assert.equal((await ask(socket, "handshake")).recovered, true);
}

export async function isRecoveredWithoutHavingReceivedAnything(context) {
  const [socket, other, news] = await pair(context);
  const { id } = socket;
  await lose(socket);
  await emit(other, id, 1);
  await comeBack(context, socket);
  assert.equal(socket.recovered, true);
  assert.equal(socket.id, id);
  assert.deepEqual(plain(news), [[1]]);
}

export async function isRecoveredAgainAndAgain(context) {
  const [socket, other, news] = await pair(context);
  const { id } = socket;
  for (const number of [1, 2, 3]) {
    await lose(socket);
    await emit(other, id, number);
    await comeBack(context, socket);
    assert.deepEqual([socket.recovered, socket.id, news.length], [true, id, number]);
  }
  assert.deepEqual(plain(news), [[1], [2], [3]]);
}

export async function isRecoveredAfterTheServerClosedItsTransport(context) {
  const [socket, other, news] = await pair(context, {
    reconnection: true,
    reconnectionDelay: 200,
    randomizationFactor: 0,
  });
  const { id } = socket;
  const left = next(socket, "disconnect", { all: true });
  socket.emit("close my connection");
  await left;
  await context.serverSaw("disconnect", { id, reason: "forced close" });
  await emit(other, id, 1);
  await connected(socket);
  assert.equal(socket.recovered, true);
  assert.equal(socket.id, id);
  if (context.mode === "upgrade") await upgraded(socket);
  await settle(socket); // it may have been back before the event was sent
  assert.deepEqual(plain(news), [[1]]);
}

export async function isRecoveredInEachNamespace(context) {
  const [socket, other] = await pair(context);
  const chat = context.join(socket, "/chat");
  await next(chat, "connect");
  const ids = [socket.id, chat.id];
  const both = [collect(socket, "news"), collect(chat, "news")];
  await lose(socket);
  await emit(other, ids[0], 1);
  const otherChat = await context.connect("/chat");
  await chain(otherChat, "nsp", ["to", ids[1]], ["emit", "news", 2]);
  const chatIsBack = next(chat, "connect");
  chat.connect();
  await comeBack(context, socket);
  await chatIsBack;
  assert.deepEqual([socket.recovered, chat.recovered], [true, true]);
  assert.deepEqual([socket.id, chat.id], ids);
  assert.deepEqual(both.map(plain), [[[1]], [[2]]]);
}

export async function isRecoveredWhileTheServerThinksItIsStillThere(context) {
  const proxy = await Proxy.to(context.url);
  try {
    const other = await context.connect();
    const socket = await context.connect("/", {}, proxy.url);
    const news = collect(socket, "news");
    const { id } = socket;
    await emit(other, id, 1);
    await until(() => news.length === 1, "the first event");
    const left = next(socket, "disconnect");
    proxy.refuse();
    proxy.cutNearSide();
    await left;
    await proxy.accept();
    await emit(other, id, 2);
    const ended = await context.records("disconnect");
    assert.deepEqual(ended, []);
    await comeBack(context, socket);
    assert.equal(socket.recovered, true);
    assert.equal(socket.id, id);
    assert.deepEqual(plain(news), [[1], [2]]);
    await context.serverSaw("disconnect", { id, reason: "transport close" });
    await settle(socket);
    socket.disconnect(); // while the proxy is there
    await until(async () => (await context.records("disconnect")).length === 2, "the second end");
  } finally {
    await proxy.close();
  }
}

export async function isSomebodyNewAfterItsGoodbye(context) {
  const [socket, other, news] = await pair(context);
  const { id } = socket;
  socket.disconnect();
  await context.serverSaw("disconnect", { id, reason: "client namespace disconnect" });
  await emit(other, id, 1);
  await comeBack(context, socket);
  assert.ok(!socket.recovered);
  assert.notEqual(socket.id, id);
  assert.deepEqual(news, []);
}

export async function isSomebodyNewAfterItWasThrownOut(context) {
  const socket = await context.connect();
  const { id } = socket;
  const left = next(socket, "disconnect", { all: true });
  socket.emit("disconnect me");
  assert.equal((await left)[0], "io server disconnect");
  await comeBack(context, socket);
  assert.ok(!socket.recovered);
  assert.notEqual(socket.id, id);
}
