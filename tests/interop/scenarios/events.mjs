// Events in both directions.

import { ask, assert, collect, next, range, settle, until } from "../harness.mjs";

async function echo(socket, ...args) {
  const answer = next(socket, "echo", { all: true });
  socket.emit("echo", ...args);
  assert.deepEqual(await answer, args);
}

export async function sendsAndReceivesManyArguments(context) {
  const socket = await context.connect();
  await echo(socket);
  await echo(socket, "one");
  await echo(socket, ...range(100));
  await echo(socket, 0, -1, 1.5, 1e21, 9007199254740991, -0.25);
  await echo(socket, true, false, null, "", [], {});
  await echo(socket, { a: { b: [1, { c: null }] } }, [[[]]], "after");
}

export async function keepsUnicodeAsItIs(context) {
  const socket = await context.connect();
  await echo(socket, "€ äöü ß 漢字 кириллица", "😀👩‍👩‍👧", "\u2028\u2029");
  await echo(socket, "\u0000", "\u001e", "a\u001eb", "\r\n\t", '"\\/');
  await echo(socket, { "ключ 😀": "значение" }, "b64?", "451-[1]");
  await echo(socket, "\u0080\u00ff\ufffd", "\ud83d\ude00".repeat(1000));
}

export async function keepsHalfAnEmoji(context) {
  const socket = await context.connect();
  const half = "👍".slice(0, 1);
  await echo(socket, half, `a${half}b`, "👍".slice(1), { [half]: [half] });
  await echo(socket, half.repeat(1000), "👍");
  assert.equal(await ask(socket, "one", half), half);
}

export async function namesEventsAsItLikes(context) {
  const socket = await context.connect();
  for (const name of ["error", "ping", "connection", "close", "größe 😀", "", "__init__"])
    socket.emit(name, 1);
  socket.emit("echo", "still here");
  assert.equal(await next(socket, "echo"), "still here");
}

export async function hasMessageEvents(context) {
  const socket = await context.connect();
  const answer = next(socket, "message", { all: true });
  socket.send("plain", { text: "message" });
  assert.deepEqual(await answer, ["plain", { text: "message" }]);
}

export async function receivesEventsInTheOrderTheyWereSent(context) {
  const socket = await context.connect();
  const seen = collect(socket, "burst");
  socket.emit("burst", 1000);
  await settle(socket);
  assert.deepEqual(seen, range(1000));
}

export async function sendsABurstInOrder(context) {
  const socket = await context.connect();
  for (const number of range(1000)) socket.emit("count", number);
  assert.deepEqual(await ask(socket, "counted"), range(1000));
}

export async function sendsAndReceivesBurstsAtTheSameTime(context) {
  const socket = await context.connect();
  const burst = collect(socket, "burst");
  const echoes = collect(socket, "echo");
  socket.emit("burst", 500);
  for (const number of range(500)) {
    if (number % 7) socket.emit("echo", number);
    else socket.emit("echo", number, Buffer.from([number % 256]));
  }
  socket.emit("burst", 500);
  await settle(socket);
  assert.deepEqual(burst, [...range(500), ...range(500)]);
  assert.deepEqual(
    echoes.map((value) => (Array.isArray(value) ? value[0] : value)),
    range(500),
  );
}

export async function receivesEventsFromAnotherThread(context) {
  const socket = await context.connect();
  const seen = collect(socket, "from a thread");
  socket.emit("thread", 200);
  await until(() => seen.length >= 200, "the last event of the thread");
  assert.deepEqual(seen, range(200));
}

export async function sendsHalfAMegabyteBothWays(context) {
  const socket = await context.connect();
  const text = "0123456789 äöü ".repeat(30_000);
  assert.ok(Buffer.byteLength(text) > 500_000);
  await echo(socket, text);
}

export async function sendsManyLargeEventsBothWays(context) {
  const socket = await context.connect();
  const echoes = collect(socket, "echo");
  const text = (number) => `${number} `.padEnd(60_000, "x");
  for (const number of range(20)) socket.emit("echo", text(number));
  await settle(socket);
  assert.deepEqual(echoes, range(20).map(text));
}
