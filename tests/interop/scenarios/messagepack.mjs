// What MessagePack carries beyond JSON; these run with that parser only.

import { ask, assert, next } from "../harness.mjs";

async function echo(socket, ...args) {
  const answer = next(socket, "echo", { all: true });
  socket.emit("echo", ...args);
  return answer;
}

export async function exchangesDates(context) {
  const socket = await context.connect();
  const dates = [new Date(0), new Date(-1), new Date("2038-01-19T03:14:08.123Z")];
  assert.deepEqual(await echo(socket, ...dates, { at: dates[2] }), [...dates, { at: dates[2] }]);
}

export async function tellsTypedArraysFromDates(context) {
  const socket = await context.connect();
  const array = (...values) => new Uint8Array(values);
  const eight = array(1, 2, 3, 4, 5, 6, 7, 8);
  const [date, first, , one, last] = await echo(
    socket,
    new Date(0x0102030405),
    eight,
    undefined,
    array(0),
    array(),
  );
  assert.deepEqual(date, new Date(0x0102030405));
  assert.deepEqual(first, Buffer.from(eight));
  assert.deepEqual(one, Buffer.from([0]));
  assert.deepEqual(last, Buffer.alloc(0));
}

export async function getsNullForUndefined(context) {
  const socket = await context.connect();
  assert.deepEqual(await ask(socket, "list", undefined, { a: undefined }), [null, { a: null }]);
}

export async function exchangesNumbersOfEverySize(context) {
  const socket = await context.connect();
  const numbers = [0, -1, 127, 128, -32, -33, 65_536, 2 ** 32, -(2 ** 40), 2 ** 53 - 1, 0.1, -1.5e-300];
  assert.deepEqual(await echo(socket, ...numbers), numbers);
}

export async function staysConnectedThoughItsEncoderBreaksHalfAnEmoji(context) {
  const socket = await context.connect();
  const half = "👍".slice(0, 1);
  for (const text of [half, `${half}b`, half.repeat(100)]) {
    const answer = next(socket, "echo");
    socket.emit("echo", text);
    assert.equal(typeof (await answer), "string");
  }
  assert.equal(await ask(socket, "one", "after"), "after");
}
