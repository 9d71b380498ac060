// Namespaces that the server makes when a client asks for them.

import { ask, assert, chain, collect, connected, next, range, settle } from "../harness.mjs";

const child = (context, number) => `/dynamic/${context.tag}/${number}`;

export async function joinsANamespaceThatAPatternMatches(context) {
  const socket = await context.connect(child(context, 1), { auth: { name: "ann" } });
  assert.equal((await ask(socket, "handshake")).auth.name, "ann");
  const echo = next(socket, "echo");
  socket.emit("echo", Buffer.from([1]));
  assert.deepEqual(await echo, Buffer.from([1]));
  await context.serverSaw("connection", { id: socket.id, nsp: child(context, 1) });
  const made = await context.records("new_namespace");
  assert.deepEqual(made.map(({ name }) => name), [child(context, 1)]);
  for (const name of ["/dynamic", `/a${child(context, 1)}`, child(context, "A")]) {
    const error = await next(context.join(socket, name), "connect_error");
    assert.equal(error.message, "Invalid namespace", name);
  }
  await settle(socket);
}

export async function joinsANamespaceThatAFunctionAllows(context) {
  const name = `/members/${context.tag}`;
  const socket = context.open(name, { auth: { member: false } });
  assert.equal((await next(socket, "connect_error")).message, "Invalid namespace");
  assert.deepEqual(await context.records("new_namespace"), []);
  socket.auth = { tag: context.tag, member: true };
  socket.connect();
  await connected(socket);
  await settle(socket);
  assert.equal((await context.records("new_namespace")).length, 1);
  // It is there now: the function is not asked any more.
  await settle(await context.connect(name));
}

export async function sharesOneNamespaceWithAllWhoAskAtOnce(context) {
  const name = `/members/${context.tag}`;
  const auth = { member: true, wait: 0.3 };
  const sockets = range(10).map(() => context.open(name, { auth }));
  await Promise.all(sockets.map(connected));
  const heard = sockets.map((socket) => collect(socket, "news"));
  await chain(sockets[0], "nsp", ["emit", "news", 1]);
  await settle(...sockets);
  assert.deepEqual(heard, sockets.map(() => [1]));
  assert.equal((await context.records("new_namespace")).length, 1);
}

export async function isRefusedByTheMiddlewareOfTheParent(context) {
  const name = child(context, 1);
  const socket = context.open(name, { auth: { refuse: true } });
  const error = await next(socket, "connect_error");
  assert.equal(error.message, "not in this one");
  assert.deepEqual(error.data, { name });
  await settle(await context.connect(name));
}

// On one connection, and on several.
async function family(context) {
  const first = await context.connect(child(context, 1));
  const second = context.join(first, child(context, 2));
  await connected(second);
  const third = await context.connect(child(context, 2));
  const outside = await context.connect("/");
  return [first, second, third, outside];
}

export async function hearsWhatIsSentToTheParent(context) {
  const sockets = await family(context);
  const [first, second, third] = sockets;
  const [news, room] = [context.name("news"), context.name("room")];
  await ask(first, "join", room);
  await ask(third, "join", room);
  const heard = sockets.map((socket) => collect(socket, news));
  await chain(first, "parent", ["emit", news, "all", Buffer.from([7])]);
  await chain(first, "parent", ["to", room], ["emit", news, "room"]);
  await chain(first, "parent", ["to", room], ["except_", third.id], ["emit", news, "but one"]);
  await chain(second, "parent", "local", ["compress", false], ["emit", news, "words"]);
  await settle(...sockets);
  const all = ["all", Buffer.from([7])];
  assert.deepEqual(heard, [[all, "room", "but one", "words"], [all, "words"], [all, "room", "words"], []]);
}

export async function answersAQuestionToAllChildren(context) {
  const sockets = await family(context);
  const room = context.name("room");
  for (const [index, socket] of sockets.entries()) {
    await ask(socket, "join", room);
    socket.on("question", (number, answer) => answer(number + index));
  }
  const steps = [["to", room], ["timeout", 4], ["emit_with_ack", "question", 10]];
  const answers = await chain(sockets[3], "parent", ...steps);
  assert.deepEqual(answers.sort(), [10, 11, 12]);
}

export async function isManagedThroughTheParent(context) {
  const sockets = await family(context);
  const [first, second, third, outside] = sockets;
  const room = context.name("room");
  await chain(outside, "parent", ["in_", first.id, third.id], ["sockets_join", room]);
  assert.deepEqual(await ask(third, "rooms"), [room, third.id].sort());
  assert.deepEqual(await ask(second, "rooms"), [second.id]);
  const left = [first, third].map((socket) => next(socket, "disconnect", { all: true }));
  await chain(outside, "parent", ["in_", room], ["disconnect_sockets"]);
  for (const [reason] of await Promise.all(left)) assert.equal(reason, "io server disconnect");
  await settle(second, outside);
}

export async function joinsAChildThatWasMadeByHand(context) {
  const outside = await context.connect("/");
  const name = child(context, 9);
  await chain(outside, "io", ["of", name], ["emit", "for nobody"]);
  const socket = await context.connect(name);
  const heard = next(socket, "news");
  await chain(outside, "parent", ["to", socket.id], ["emit", "news", "of the parent"]);
  assert.equal(await heard, "of the parent");
  await settle(socket);
  assert.equal((await context.records("new_namespace")).length, 1);
}

export async function joinsManyOnOneConnection(context) {
  const outside = await context.connect("/");
  const sockets = range(40).map((number) => context.join(outside, child(context, number)));
  await Promise.all(sockets.map(connected));
  await settle(...sockets);
  assert.equal((await context.records("new_namespace")).length, 40);
}
