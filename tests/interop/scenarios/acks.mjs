// Acknowledgements in both directions.

import { ask, assert, next, range, settle } from "../harness.mjs";

const answers = (socket, event, ...args) =>
  new Promise((resolve) => socket.emit(event, ...args, (...got) => resolve(got)));

export async function isAnsweredByTheReturnValue(context) {
  const socket = await context.connect();
  assert.deepEqual(await answers(socket, "none", 1, 2), []);
  assert.deepEqual(await answers(socket, "one", { a: "ü" }), [{ a: "ü" }]);
  assert.deepEqual(await answers(socket, "several", 1, "two", [3]), [1, "two", [3]]);
  assert.deepEqual(await answers(socket, "list", 1, 2), [[1, 2]]);
  assert.equal(await ask(socket, "one", false), false);
}

export async function isAnsweredLaterAndOnlyOnce(context) {
  const socket = await context.connect();
  const got = [];
  socket.emit("later", "on", (...args) => got.push(args));
  await new Promise((resolve) => setTimeout(resolve, 150));
  await settle(socket);
  assert.deepEqual(got, [["later", "on"]]);
}

export async function isAnsweredInOrder(context) {
  const socket = await context.connect();
  const order = await Promise.all(range(200).map((number) => ask(socket, "one", number)));
  assert.deepEqual(order, range(200));
}

export async function timesOutWithoutAHandler(context) {
  const socket = await context.connect();
  const unheard = socket.timeout(100).emitWithAck("nobody handles this");
  await assert.rejects(unheard, /operation has timed out/);
  await settle(socket);
}

export async function answersTheServer(context) {
  const socket = await context.connect();
  socket.on("question", (...args) => args.pop()(...args));
  assert.deepEqual(await ask(socket, "ask", "one"), ["str", "one"]);
  assert.deepEqual(await ask(socket, "ask", { a: [1] }), ["dict", { a: [1] }]);
  assert.deepEqual(await ask(socket, "ask", 1, "two"), ["tuple", [1, "two"]]);
}

export async function answersTheServerWithABurstOfAcks(context) {
  const socket = await context.connect();
  socket.on("question", (number, answer) => answer(number * 2));
  const asked = range(50).map((number) => ask(socket, "ask", number));
  const expected = range(50).map((number) => ["int", number * 2]);
  assert.deepEqual(await Promise.all(asked), expected);
}

export async function makesTheServerTimeOut(context) {
  const socket = await context.connect();
  const [outcome, took] = await ask(socket, "ask for", 0.2, "?");
  assert.equal(outcome, "AckTimeout");
  assert.ok(took > 0.15 && took < 2, `took ${took}`);
  await settle(socket);
}

export async function leavesAndTheServerKnowsAtOnce(context) {
  const socket = await context.connect();
  const asked = next(socket, "question");
  socket.emit("ask for", 30, "?");
  await asked;
  socket.disconnect();
  const { outcome, took } = await context.serverSaw("asked");
  assert.equal(outcome, "SocketDisconnected");
  assert.ok(took < 3, `the server waited ${took} s`);
}

export async function vanishesAndTheServerKnowsAtOnce(context) {
  if (context.mode === "polling") return; // nothing tells a server that a poller is gone
  const socket = await context.connect();
  const asked = next(socket, "question");
  socket.emit("ask for", 30, "?");
  await asked;
  socket.io.engine.transport.ws.terminate();
  const { outcome, took } = await context.serverSaw("asked");
  assert.equal(outcome, "SocketDisconnected");
  assert.ok(took < 3, `the server waited ${took} s`);
}

export async function answersACallbackOfTheServer(context) {
  const socket = await context.connect();
  socket.on("question", (...args) => args.pop()(...args));
  const called = next(socket, "called back", { all: true });
  socket.emit("call back", "a", 2);
  assert.deepEqual(await called, ["a", 2]);
}

export async function answersACallbackWithATimeout(context) {
  const socket = await context.connect();
  socket.once("question", (...args) => args.pop()(...args));
  const answered = next(socket, "called back", { all: true });
  socket.emit("call back within", 3, "in time");
  assert.deepEqual(await answered, [null, "in time"]);
  const late = next(socket, "called back", { all: true });
  socket.emit("call back within", 0.1, "never");
  assert.deepEqual(await late, ["AckTimeout"]);
}

export async function answersABroadcast(context) {
  const room = context.name("room");
  const sockets = [await context.connect(), await context.connect(), await context.connect()];
  for (const [index, socket] of sockets.entries()) {
    socket.on("question", (text, answer) => answer(`${text} ${index}`));
    await ask(socket, "join", room);
  }
  const [outcome, ...found] = await ask(sockets[0], "ask room", room, 3, "here");
  assert.equal(outcome, "all");
  assert.deepEqual(found.sort(), ["here 0", "here 1", "here 2"]);
}

export async function answersABroadcastInPart(context) {
  const room = context.name("room");
  const [answering, silent] = [await context.connect(), await context.connect()];
  answering.on("question", (text, answer) => answer("me"));
  for (const socket of [answering, silent]) await ask(socket, "join", room);
  assert.deepEqual(await ask(answering, "ask room", room, 0.3, "?"), ["some", "me"]);
  const nobody = context.name("nobody");
  assert.deepEqual(await ask(answering, "ask room", nobody, 0.3, "?"), ["all"]);
}
