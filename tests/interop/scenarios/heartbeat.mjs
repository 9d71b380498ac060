// For a server with a ping interval of 0.3 s and a ping timeout of 0.2 s.

import { ask, assert, collect, next, range, settle, until } from "../harness.mjs";

export async function staysAliveByAnsweringPings(context) {
  const socket = await context.connect();
  const { id } = socket;
  const pings = collect(socket.io, "ping");
  await until(() => pings.length >= 4, "the fourth ping");
  assert.equal(socket.id, id);
  await settle(socket);
}

// Longer than interval and timeout together; the others go on meanwhile.
export async function staysAliveWhileItsHandlerBlocks(context) {
  const socket = await context.connect();
  const other = await context.connect();
  let awake = false;
  const blocked = ask(socket, "block", 1.2).then((answer) => {
    awake = true;
    assert.equal(answer, "awake");
  });
  const queued = range(20).map((number) => ask(socket, "one", number));
  await context.serverSaw("blocking");
  const pings = collect(socket.io, "ping");
  for (const number of range(5)) {
    const began = Date.now();
    assert.equal(await ask(other, "one", number), number);
    assert.ok(Date.now() - began < 500, "another client was kept waiting");
  }
  assert.equal(awake, false);
  await blocked;
  assert.deepEqual(await Promise.all(queued), range(20));
  assert.ok(pings.length >= 2, `${pings.length} pings while it blocked`);
  assert.equal((await context.records("disconnect")).length, 0);
}

export async function answersQuestionsWhileItsHandlerBlocks(context) {
  const socket = await context.connect();
  socket.on("question", (text, answer) => setTimeout(answer, 700, text));
  assert.deepEqual(await ask(socket, "ask", "slowly"), ["str", "slowly"]);
}

// The client is told to be deaf to pings: it has to notice by itself as well.
export async function isRemovedWhenItNoLongerAnswers(context) {
  const socket = await context.connect();
  const { id } = socket;
  const { engine } = socket.io;
  const send = engine._sendPacket ?? engine.sendPacket;
  const name = engine._sendPacket ? "_sendPacket" : "sendPacket";
  engine[name] = (type, ...rest) => type === "pong" || send.call(engine, type, ...rest);
  const left = next(socket, "disconnect", { all: true });
  await context.serverSaw("disconnect", { id, reason: "ping timeout" });
  await left;
}
