// WebSocket messages of a server that has per_message_deflate on.

import { ask, assert, chain, next, range, settle } from "../harness.mjs";

const ALL = { perMessageDeflate: { threshold: 0 } };
const text = (size) => JSON.stringify(range(size / 6));
const wire = (socket) => socket.io.engine.transport.ws._socket;

async function open(context, options = ALL) {
  const socket = await context.connect("/", options);
  const agreed = socket.io.engine.transport.ws.extensions;
  return { socket, agreed };
}

// Bytes on the wire, in and out, while `act` goes on.
async function traffic(socket, act) {
  const { bytesRead, bytesWritten } = wire(socket);
  await act();
  return { read: wire(socket).bytesRead - bytesRead, written: wire(socket).bytesWritten - bytesWritten };
}

async function echo(socket, ...args) {
  const answer = next(socket, "echo", { all: true });
  socket.emit("echo", ...args);
  assert.deepEqual(await answer, args);
}

export async function agreesOnTheExtensionByDefault(context) {
  const { agreed } = await open(context, {});
  assert.match(agreed, /permessage-deflate/);
}

async function echoesPlain(context, options) {
  const { socket, agreed } = await open(context, options);
  assert.equal(agreed, "");
  const long = text(100_000);
  const { read, written } = await traffic(socket, () => echo(socket, long));
  assert.ok(Math.min(read, written) > long.length, `${read} bytes came, ${written} went`);
}

export async function agreesOnNothingThatItDoesNotOffer(context) {
  await echoesPlain(context, { perMessageDeflate: false });
}

export async function compressesLongTextBothWays(context) {
  const { socket } = await open(context);
  const long = text(300_000);
  const { read, written } = await traffic(socket, () => echo(socket, long));
  assert.ok(read < long.length / 2, `${read} bytes came`);
  assert.ok(written < long.length / 2, `${written} bytes went`);
  for (const size of [6, 60, 600, 6_000, 600_000]) await echo(socket, text(size));
}

export async function compressesBinaryBothWays(context) {
  const { socket } = await open(context);
  const blob = Buffer.alloc(500_000, "binary");
  const { read, written } = await traffic(socket, () => echo(socket, blob, [Buffer.alloc(0)]));
  assert.ok(read < 20_000, `${read} bytes came`);
  assert.ok(written < 20_000, `${written} bytes went`);
}

export async function compressesABroadcastForAll(context) {
  const room = context.name("room");
  const sockets = [];
  for (const options of [ALL, ALL, ALL, { perMessageDeflate: false }]) {
    const { socket } = await open(context, options);
    await ask(socket, "join", room);
    sockets.push(socket);
  }
  const long = text(200_000);
  for (let round = 0; round < 3; round += 1) {
    const news = sockets.map((socket) => next(socket, "news"));
    const before = sockets.map((socket) => wire(socket).bytesRead);
    await chain(sockets[0], "io", ["to", room], ["emit", "news", long]);
    for (const received of await Promise.all(news)) assert.equal(received, long);
    const read = sockets.map((socket, index) => wire(socket).bytesRead - before[index]);
    for (const bytes of read.slice(0, 3)) assert.ok(bytes < long.length / 2, `${bytes} bytes came`);
    assert.ok(read[3] > long.length, `${read[3]} bytes came`);
  }
}

export async function leavesOutWhatOptsOut(context) {
  const { socket } = await open(context);
  const long = text(100_000);
  for (const target of ["io", "socket"]) {
    const answer = next(socket, "plain");
    const { read } = await traffic(socket, async () => {
      await chain(socket, target, ["compress", false], ["emit", "plain", long]);
      assert.equal(await answer, long);
    });
    assert.ok(read > long.length, `${read} bytes came`);
  }
}

export async function mixesCompressedAndPlainInOrder(context) {
  const { socket } = await open(context);
  const seen = [];
  socket.on("echo", (number) => seen.push(number));
  for (const number of range(60)) {
    const payload = [text(60), text(30_000), Buffer.alloc(5_000, number)][number % 3];
    socket.compress(number % 2 === 0).emit("echo", number, payload);
  }
  await settle(socket);
  assert.deepEqual(seen, range(60));
}
