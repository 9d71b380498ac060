// What is different for version 2 of the client, and both versions side by side.

import { ask, assert, chain, collect, next, range, settle, until } from "../harness.mjs";

const bytes = (...values) => Buffer.from(values);

async function echo(socket, ...args) {
  const answer = next(socket, "echo", { all: true });
  socket.emit("echo", ...args);
  assert.deepEqual(await answer, args);
}

export async function oldKnowsItsIds(context) {
  const socket = await context.connect();
  const chat = context.join(socket, "/chat");
  await next(chat, "connect");
  const [main, other] = [await ask(socket, "handshake"), await ask(chat, "handshake")];
  assert.equal(socket.id, socket.io.engine.id);
  assert.equal(chat.id, `/chat#${socket.id}`);
  assert.equal(main.engine, socket.id);
  assert.equal(other.engine, socket.id);
  assert.deepEqual(await ask(socket, "rooms"), [socket.id]);
  assert.deepEqual(await ask(chat, "rooms"), [chat.id]);
}

export async function oldTellsItsProtocol(context) {
  const socket = await context.connect("/", { query: { tag: context.tag, colour: "dark blue" } });
  const { auth, query, recovered } = await ask(socket, "handshake");
  assert.equal(query.EIO, "3");
  assert.equal(query.colour, "dark blue");
  assert.deepEqual(auth, {});
  assert.equal(recovered, false);
  assert.equal(await chain(socket, "socket", "conn", "protocol"), 3);
}

export async function oldJoinsANamespaceWithAQuery(context) {
  const socket = await context.connect();
  const welcome = next(context.join(socket, "/secret", { token: "right" }), "welcome", { all: true });
  assert.deepEqual(await welcome, ["/secret", { checked: true }, ["checked"]]);
  const chat = context.join(socket, "/chat", { name: "Zoë & co", empty: "" });
  await next(chat, "connect");
  const { auth } = await ask(chat, "handshake");
  assert.deepEqual(auth, { tag: context.tag, name: "Zoë & co", empty: "" });
}

export async function oldIsRefusedByAMiddleware(context) {
  const socket = await context.connect();
  const secret = context.join(socket, "/secret", { token: "wrong" });
  assert.deepEqual(await next(secret, "error"), { code: 42, hint: ["ask", "nicely"] });
  assert.equal(secret.connected, false);
  assert.equal(await next(context.join(socket, "/plain-refusal"), "error"), "closed today");
  assert.deepEqual(await next(context.join(socket, "/nowhere"), "error"), {
    message: "Invalid namespace",
  });
  await settle(socket);
}

export async function oldJoinsAfterARefusal(context) {
  const socket = await context.connect();
  const secret = context.join(socket, "/secret", { token: "wrong" });
  await next(secret, "error");
  secret.query = { token: "right" };
  const welcome = next(secret, "welcome");
  secret.connect();
  await welcome;
}

// The error is that of every namespace, and the connection stays open for another try.
export async function oldIsRefusedInTheMainNamespace(context) {
  const refused = context.open("/", { query: { tag: context.tag, refuse: "yes" } });
  assert.equal(await next(refused, "error"), "not here");
  assert.equal(refused.connected, false);
  await settle(await context.connect());
}

export async function oldSendsBinaryAsBase64(context) {
  const socket = await context.connect("/", { forceBase64: true });
  await echo(socket, Buffer.from(range(256)), { deep: [bytes(1), { er: bytes() }] }, "😀 ü");
  assert.deepEqual(await ask(socket, "one", [bytes(9)]), [bytes(9)]);
  socket.on("question", (blob, answer) => answer(blob, "😀"));
  assert.deepEqual(await ask(socket, "ask", bytes(4)), ["tuple", [bytes(4), "😀"]]);
}

// Several packets in one payload, whose lengths count each of these characters twice.
export async function oldCountsCharactersAsJavaScriptDoes(context) {
  const socket = await context.connect();
  const echoes = collect(socket, "echo");
  const words = range(50).map((number) => "😀é漢a".repeat(number));
  for (const word of words) socket.emit("echo", word);
  await settle(socket);
  assert.deepEqual(echoes, words);
}

// Both versions are in one room, and everybody gets the same.
export async function oldAndNewShareARoom(context) {
  const room = context.name("room");
  const [old, young] = [context, context.other()];
  const sockets = [
    await old.connect(),
    await young.connect(),
    await old.connect("/", { forceBase64: true }),
    await young.connect(),
  ];
  for (const socket of sockets) await ask(socket, "join", room);
  const news = sockets.map((socket) => collect(socket, "news"));
  const blob = Buffer.from(range(256));
  await chain(sockets[0], "io", ["to", room], ["emit", "news", "😀", { a: [blob, bytes()] }]);
  await chain(sockets[1], "io", ["to", room], ["emit", "news", "text only ü"]);
  await chain(sockets[0], "socket", ["to", room], ["emit", "news", bytes(1)]);
  await settle(...sockets);
  const all = [["😀", { a: [blob, bytes()] }], "text only ü"];
  assert.deepEqual(news, [all, ...range(3).map(() => [...all, bytes(1)])]);

  for (const [index, socket] of sockets.entries())
    socket.on("question", (data, answer) => answer({ index, data }));
  const answers = await ask(sockets[0], "ask room", room, 3, bytes(7));
  assert.equal(answers.shift(), "all");
  const byIndex = (left, right) => left.index - right.index;
  assert.deepEqual(answers.sort(byIndex), range(4).map((index) => ({ index, data: bytes(7) })));

  const left = next(sockets[2], "disconnect");
  await chain(sockets[3], "io", ["to", sockets[2].id], ["disconnect_sockets"]);
  assert.equal(await left, "io server disconnect");
  const found = await chain(sockets[0], "io", ["in_", room], ["fetch_sockets"]);
  const ids = [sockets[0], sockets[1], sockets[3]].map(({ id }) => id);
  assert.deepEqual(found.map(({ id }) => id).sort(), ids.sort());
}

// For a server with a ping interval of 0.3 s and a ping timeout of 0.2 s.
export async function oldIsRemovedWhenItNoLongerPings(context) {
  const socket = await context.connect();
  const { id } = socket;
  const { engine } = socket.io;
  // It neither pings nor misses anything: it is the server that has to notice.
  engine.off("heartbeat");
  clearTimeout(engine.pingIntervalTimer);
  clearTimeout(engine.pingTimeoutTimer);
  const left = next(socket, "disconnect", { all: true });
  await context.serverSaw("disconnect", { id, reason: "ping timeout" });
  await left;
}

export async function oldHearsPongs(context) {
  const socket = await context.connect();
  const pongs = collect(socket, "pong");
  await until(() => pongs.length >= 4, "the fourth pong");
  await settle(socket);
}

// The test that starts this one stops the server's process meanwhile.
export async function oldNoticesASilentServer(context) {
  const socket = await context.connect();
  const left = next(socket, "disconnect", { all: true, within: 10_000 });
  console.log("connected");
  assert.equal((await left)[0], "ping timeout");
}

// For a server without `allow_eio3`.
export async function oldIsNotServed(context) {
  const socket = context.open();
  await next(socket, "connect_error");
  assert.equal(socket.connected, false);
  await settle(await context.other().connect());
}

