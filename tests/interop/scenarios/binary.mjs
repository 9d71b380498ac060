// Binary in both directions, alone and nested.

import { ask, assert, next, range } from "../harness.mjs";

async function echo(socket, ...args) {
  const answer = next(socket, "echo", { all: true });
  socket.emit("echo", ...args);
  assert.deepEqual(await answer, args);
}

const bytes = (...values) => Buffer.from(values);

export async function sendsAndReceivesBinary(context) {
  const socket = await context.connect();
  await echo(socket, bytes(1, 2, 3));
  await echo(socket, Buffer.from(range(256)));
  await echo(socket, Buffer.alloc(0), "beside an empty one");
}

export async function sendsAndReceivesNestedBinary(context) {
  const socket = await context.connect();
  await echo(socket, { deep: { er: [bytes(0), { data: bytes(255, 254) }] } }, "text", bytes(7));
  await echo(socket, [[bytes(1)], { a: bytes(2) }], bytes(3), null);
}

export async function sendsSeveralAttachmentsInOrder(context) {
  const socket = await context.connect();
  const blobs = range(10).map((number) => Buffer.alloc(number + 1, number));
  await echo(socket, ...blobs);
  await echo(socket, { blobs });
}

export async function sendsTypedArrays(context) {
  const socket = await context.connect();
  const answer = next(socket, "echo", { all: true });
  socket.emit("echo", new Uint8Array([1, 2]), new Uint8Array([3]).buffer);
  assert.deepEqual(await answer, [bytes(1, 2), bytes(3)]);
}

export async function acknowledgesWithBinary(context) {
  const socket = await context.connect();
  assert.deepEqual(await ask(socket, "one", bytes(9, 8)), bytes(9, 8));
  assert.deepEqual(await ask(socket, "one", { a: [bytes(1), "b"] }), { a: [bytes(1), "b"] });
  socket.on("question", (blob, answer) => answer({ got: blob, more: bytes(5) }));
  const [kind, answer] = await ask(socket, "ask", bytes(4));
  assert.equal(kind, "dict");
  assert.deepEqual(answer, { got: bytes(4), more: bytes(5) });
}

export async function sendsHalfAMegabyteOfBinaryBothWays(context) {
  const socket = await context.connect();
  const blob = Buffer.alloc(500_000);
  for (let index = 0; index < blob.length; index += 1) blob[index] = (index * 7) % 256;
  await echo(socket, blob);
}

export async function keepsBinaryAndTextInOrder(context) {
  const socket = await context.connect();
  const seen = [];
  socket.on("echo", (number, blob) => seen.push([number, blob ? blob[0] : null]));
  const expected = range(200).map((number) => [number, number % 3 ? null : number]);
  for (const [number, first] of expected)
    socket.emit("echo", number, ...(first === null ? [] : [bytes(first)]));
  await ask(socket, "one", 1);
  assert.deepEqual(seen, expected);
}

export async function doesNotTakeAPlaceholderForAnAttachment(context) {
  const socket = await context.connect();
  await echo(socket, { _placeholder: true, num: 0 }, { _placeholder: true, num: 99 });
}
