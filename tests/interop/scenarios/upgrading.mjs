// Traffic while the connection goes over from polling to WebSocket: nothing is
// lost, sent twice or put in another order.

import { ask, assert, collect, connected, next, pause, range, settle, until, upgraded } from "../harness.mjs";

// Connected by polling; the upgrade begins when the scenario says so.
async function begin(context) {
  const socket = context.open("/", { upgrade: false });
  await connected(socket);
  const { engine } = socket.io;
  assert.equal(engine.transport.name, "polling");
  const upgrade = () => {
    const done = next(engine, "upgrade");
    (engine._probe ?? engine.probe).call(engine, "websocket");
    return done;
  };
  return { socket, engine, upgrade };
}

const numbers = (events) => events.map((event) => (Array.isArray(event) ? event[0] : event));

// Emits before the upgrade, all the time while it goes on, and after it.
async function emitAcross(upgrade, emit) {
  let left = Infinity;
  let number = 0;
  for (; left > 0; left -= 1) {
    if (number === 30) upgrade().then(() => (left = 50));
    emit(number);
    number += 1;
    await new Promise((resolve) => setImmediate(resolve));
    if (number % 10 === 0) await pause(1);
  }
  return number;
}

export async function keepsWhatTheClientSends(context) {
  const { socket, upgrade } = await begin(context);
  const count = await emitAcross(upgrade, (number) => {
    if (number % 3) socket.emit("count", number);
    else socket.emit("count", number, Buffer.from([number % 256]), Buffer.alloc(3));
  });
  assert.deepEqual(await ask(socket, "counted"), range(count));
  assert.equal(socket.io.engine.transport.name, "websocket");
}

export async function keepsWhatTheServerSends(context) {
  const { socket, upgrade } = await begin(context);
  const seen = collect(socket, "stream");
  const end = next(socket, "stream end");
  socket.emit("stream", 0.001);
  await until(() => seen.length > 20, "twenty events before the upgrade");
  await upgrade();
  const soFar = seen.length;
  await until(() => seen.length > soFar + 50, "fifty events after the upgrade");
  socket.emit("stop");
  const count = await end;
  assert.deepEqual(numbers(seen), range(count));
}

export async function keepsWhatBothSend(context) {
  const { socket, upgrade } = await begin(context);
  const echoes = collect(socket, "echo");
  const seen = collect(socket, "stream");
  const end = next(socket, "stream end");
  socket.emit("stream", 0);
  const count = await emitAcross(upgrade, (number) => {
    if (number % 4) socket.emit("echo", number);
    else socket.emit("echo", number, Buffer.alloc(5));
  });
  socket.emit("stop");
  await settle(socket);
  const streamed = await end;
  assert.deepEqual(numbers(echoes), range(count));
  assert.deepEqual(numbers(seen), range(streamed));
}

export async function keepsAcknowledgements(context) {
  const { socket, upgrade } = await begin(context);
  socket.on("question", (number, answer) => answer(number));
  const asked = [];
  const count = await emitAcross(upgrade, (number) => {
    asked.push(number % 2 ? ask(socket, "one", number) : ask(socket, "ask", number));
  });
  const expected = range(count).map((number) => (number % 2 ? number : ["int", number]));
  assert.deepEqual(await Promise.all(asked), expected);
}

export async function upgradesWithinASecondWhileIdle(context) {
  const { upgrade } = await begin(context);
  const began = Date.now();
  await upgrade();
  assert.ok(Date.now() - began < 1000, `the upgrade took ${Date.now() - began} ms`);
}

export async function upgradesOftenWithoutLoss(context) {
  for (const round of range(10)) {
    const { socket, upgrade } = await begin(context);
    const seen = collect(socket, "burst");
    socket.emit("burst", 50);
    const done = upgrade();
    await pause(round * 2);
    socket.emit("burst", 50);
    await done;
    socket.emit("burst", 50);
    await settle(socket);
    assert.deepEqual(seen, [...range(50), ...range(50), ...range(50)]);
    socket.disconnect();
  }
}

export async function upgradesByItselfWhileEventsFlow(context) {
  for (const round of range(10)) {
    const socket = context.open();
    const echoes = collect(socket, "echo");
    for (const number of range(20)) socket.emit("echo", number);
    await connected(socket);
    for (const number of range(20)) socket.emit("echo", 20 + number);
    await upgraded(socket);
    await settle(socket);
    assert.deepEqual(echoes, range(40), `round ${round}`);
    socket.disconnect();
  }
}

export async function leavesWhileItUpgrades(context) {
  const { socket, engine, upgrade } = await begin(context);
  const { id } = socket;
  engine.once("upgrading", () => socket.disconnect());
  upgrade().catch(() => {});
  const { reason } = await context.serverSaw("disconnect", { id });
  assert.ok(["client namespace disconnect", "transport close"].includes(reason), reason);
}

export async function isPutOutWhileItUpgrades(context) {
  const { socket, engine, upgrade } = await begin(context);
  const { id } = socket;
  const left = next(socket, "disconnect", { all: true });
  engine.once("upgrading", () => socket.emit("disconnect me"));
  upgrade().catch(() => {});
  await context.serverSaw("disconnect", { id, reason: "server namespace disconnect" });
  assert.equal((await left)[0], "io server disconnect");
}
