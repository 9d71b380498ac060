// What the server sends at once, and much of it: a client that reads all the time gets all of it.

import { assert, range, until } from "../harness.mjs";

async function isFlooded(context, count, size) {
  const socket = await context.connect();
  const seen = [];
  let reason = null;
  socket.on("flood", (number, text) => {
    assert.equal(text.length, size);
    seen.push(number);
  });
  socket.on("disconnect", (why) => (reason = why));
  socket.emit("flood", count, size);
  await until(() => seen.length === count || reason, `all ${count} events`, 18_000);
  assert.equal(reason, null, `after ${seen.length} events`);
  assert.deepEqual(seen, range(count));
}

export async function getsFortyThousandEventsInOneTurn(context) {
  await isFlooded(context, 40_000, 1_000);
}

export async function getsAnEventOfTwentyMegabytes(context) {
  await isFlooded(context, 1, 20_000_000);
}

export async function getsFiveEventsOfSevenMegabytes(context) {
  await isFlooded(context, 5, 7_000_000);
}
