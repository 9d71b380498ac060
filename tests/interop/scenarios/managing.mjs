// The methods that act on many sockets.

import { ask, assert, chain, collect, next, settle } from "../harness.mjs";

async function pair(context) {
  const room = context.name("room");
  const a = await context.connect("/", { auth: { name: "a" } });
  const b = await context.connect("/", { auth: { name: "b" } });
  for (const socket of [a, b]) await ask(socket, "join", room);
  return { a, b, room };
}

export async function isFetched(context) {
  const { a, b, room } = await pair(context);
  await ask(b, "remember", { mood: "good" });
  const found = await chain(a, "io", ["in_", room], ["fetch_sockets"]);
  const expected = [
    { id: a.id, rooms: [a.id, room].sort(), data: {}, name: "a" },
    { id: b.id, rooms: [b.id, room].sort(), data: { mood: "good" }, name: "b" },
  ];
  const byName = (left, right) => left.name.localeCompare(right.name);
  assert.deepEqual(found.sort(byName), expected);
  const others = await chain(a, "io", ["in_", room], ["except_", a.id], ["fetch_sockets"]);
  assert.deepEqual(others.map(({ id }) => id), [b.id]);
  const all = await chain(a, "io", ["fetch_sockets"]);
  assert.ok([a.id, b.id].every((id) => all.some((socket) => socket.id === id)));
}

export async function isMadeToJoinAndLeave(context) {
  const { a, b, room } = await pair(context);
  const [extra, more] = [context.name("extra"), context.name("more")];
  await chain(a, "io", ["in_", room], ["sockets_join", [extra, more]]);
  for (const socket of [a, b])
    assert.deepEqual(await ask(socket, "rooms"), [socket.id, room, extra, more].sort());
  await chain(a, "io", ["in_", b.id], ["sockets_leave", extra]);
  assert.deepEqual(await ask(a, "rooms"), [a.id, room, extra, more].sort());
  assert.deepEqual(await ask(b, "rooms"), [b.id, room, more].sort());
  await chain(a, "socket", ["to", room], ["sockets_join", extra]);
  assert.ok((await ask(b, "rooms")).includes(extra));
}

export async function isDisconnectedWithOthers(context) {
  const { a, b, room } = await pair(context);
  const id = b.id;
  const chat = context.join(b, "/chat");
  await next(chat, "connect");
  const left = next(b, "disconnect", { all: true });
  await chain(a, "io", ["in_", room], ["except_", a.id], ["disconnect_sockets"]);
  assert.equal((await left)[0], "io server disconnect");
  await context.serverSaw("disconnect", { id, reason: "server namespace disconnect" });
  await settle(chat);
  assert.ok(a.connected);
}

export async function isDisconnectedWithItsConnection(context) {
  const { a, b, room } = await pair(context);
  const chat = context.join(b, "/chat");
  await next(chat, "connect");
  const closed = next(b.io.engine, "close");
  const reasons = collect(chat, "disconnect");
  await chain(a, "io", ["in_", room], ["except_", a.id], ["disconnect_sockets", true]);
  await closed;
  assert.equal(reasons.length, 1);
  await context.serverSaw("disconnect", { nsp: "/chat", reason: "server namespace disconnect" });
}

export async function isAloneOnThisServer(context) {
  const socket = await context.connect();
  assert.deepEqual(await chain(socket, "io", ["server_side_emit_with_ack", "hello"]), []);
  await chain(socket, "io", ["server_side_emit", "hello", 1]);
}

// Two in a row: a server may drop what cannot be written at once, but it neither
// turns the order round nor drops what can.
export async function receivesVolatileEventsWhenItCan(context) {
  const socket = await context.connect();
  const seen = collect(socket, "weather");
  await settle(socket);
  await chain(socket, "socket", "volatile", ["emit", "weather", "sun"]);
  await settle(socket);
  if (context.mode !== "polling") assert.deepEqual(seen, ["sun"]);
  await chain(socket, "io", "volatile", ["to", socket.id], ["emit", "weather", "rain"]);
  await settle(socket);
  if (context.mode !== "polling") assert.deepEqual(seen, ["sun", "rain"]);
  for (const word of seen) assert.ok(["sun", "rain"].includes(word));
}
