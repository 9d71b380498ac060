// Rooms: who receives what. Three clients a, b, c; a and b are in one room,
// b and c in another.

import { ask, assert, chain, collect, settle } from "../harness.mjs";

async function company(context) {
  const [a, b, c] = [await context.connect(), await context.connect(), await context.connect()];
  const [red, blue] = [context.name("red"), context.name("blue")];
  await ask(a, "join", red);
  await ask(b, "join", [red, blue]);
  await ask(c, "join", blue);
  const seen = { a: collect(a, "news"), b: collect(b, "news"), c: collect(c, "news") };
  const heard = async () => {
    await settle(a, b, c);
    const found = JSON.parse(JSON.stringify(seen));
    for (const events of Object.values(seen)) events.length = 0;
    return found;
  };
  return { a, b, c, red, blue, heard };
}

const news = (text) => ["emit", "news", text];

export async function isInTheRoomsItJoined(context) {
  const { a, b, red, blue } = await company(context);
  assert.deepEqual(await ask(a, "rooms"), [a.id, red].sort());
  assert.deepEqual(await ask(b, "rooms"), [b.id, blue, red].sort());
  await ask(b, "leave", red);
  await ask(b, "leave", context.name("never joined"));
  assert.deepEqual(await ask(b, "rooms"), [b.id, blue].sort());
}

export async function receivesWhatIsSentToItsRooms(context) {
  const { a, red, blue, heard } = await company(context);
  await chain(a, "io", ["to", red], news(1));
  assert.deepEqual(await heard(), { a: [1], b: [1], c: [] });
  await chain(a, "io", ["in_", blue], news(2));
  assert.deepEqual(await heard(), { a: [], b: [2], c: [2] });
  await chain(a, "nsp", ["to", red], news(3));
  assert.deepEqual(await heard(), { a: [3], b: [3], c: [] });
  await chain(a, "io", ["to", context.name("empty")], news(4));
  assert.deepEqual(await heard(), { a: [], b: [], c: [] });
}

export async function receivesOnceFromSeveralRooms(context) {
  const { a, red, blue, heard } = await company(context);
  for (const rooms of [[["to", red], ["to", blue]], [["to", [red, blue]]], [["to", red, blue]]]) {
    await chain(a, "io", ...rooms, news("once"));
    assert.deepEqual(await heard(), { a: ["once"], b: ["once"], c: ["once"] });
  }
}

export async function isSparedByExcept(context) {
  const { a, b, c, red, blue, heard } = await company(context);
  await chain(a, "io", ["to", red], ["except_", blue], news(1));
  assert.deepEqual(await heard(), { a: [1], b: [], c: [] });
  await chain(a, "io", ["to", [red, blue]], ["except_", [a.id, c.id]], news(2));
  assert.deepEqual(await heard(), { a: [], b: [2], c: [] });
  await chain(a, "io", ["except_", red], ["to", blue], news(3));
  assert.deepEqual(await heard(), { a: [], b: [], c: [3] });
  await chain(b, "io", ["except_", b.id], ["to", red], news(4));
  assert.deepEqual(await heard(), { a: [4], b: [], c: [] });
}

export async function isNotSentItsOwnBroadcasts(context) {
  const { a, b, red, blue, heard } = await company(context);
  await chain(a, "socket", ["to", red], news(1));
  assert.deepEqual(await heard(), { a: [], b: [1], c: [] });
  await chain(a, "socket", ["to", blue], news(2));
  assert.deepEqual(await heard(), { a: [], b: [2], c: [2] });
  await chain(b, "socket", "broadcast", news(3));
  assert.deepEqual(await heard(), { a: [3], b: [], c: [3] });
  await chain(b, "socket", "broadcast", ["except_", red], news(4));
  assert.deepEqual(await heard(), { a: [], b: [], c: [4] });
  await chain(a, "socket", ["in_", red], ["to", blue], news(5));
  assert.deepEqual(await heard(), { a: [], b: [5], c: [5] });
  await chain(a, "socket", ["to", a.id], news(6));
  assert.deepEqual(await heard(), { a: [], b: [], c: [] });
}

export async function isARoomOfItsOwn(context) {
  const { a, c, heard } = await company(context);
  await chain(a, "io", ["to", c.id], news("private"));
  assert.deepEqual(await heard(), { a: [], b: [], c: ["private"] });
  await chain(a, "socket", ["to", c.id], news("private too"));
  assert.deepEqual(await heard(), { a: [], b: [], c: ["private too"] });
}

export async function receivesBroadcastsToAll(context) {
  const { a, heard } = await company(context);
  const text = context.name("all");
  await chain(a, "io", news(text));
  const found = await heard();
  for (const name of ["a", "b", "c"]) assert.ok(found[name].includes(text));
  await chain(a, "io", "local", news(text));
  assert.ok((await heard()).b.includes(text));
}

export async function receivesBinaryBroadcasts(context) {
  const { a, b, red } = await company(context);
  const [first, second] = [collect(a, "news"), collect(b, "news")];
  // The bytes come from the answer of the client and go to everyone in the room.
  await chain(a, "io", ["to", red], ["emit", "news", { blob: Buffer.from([1, 2]) }, "text"]);
  await settle(a, b);
  for (const seen of [first, second])
    assert.deepEqual(seen, [[{ blob: Buffer.from([1, 2]) }, "text"]]);
}

export async function receivesNothingAfterItLeft(context) {
  const { a, b, red, heard } = await company(context);
  await ask(b, "leave", red);
  await chain(a, "io", ["to", red], news(1));
  assert.deepEqual(await heard(), { a: [1], b: [], c: [] });
}

export async function leavesItsRoomsWhenItDisconnects(context) {
  const { a, b, red } = await company(context);
  const id = b.id;
  b.disconnect();
  const left = await context.serverSaw("disconnecting", { id });
  assert.ok(left.rooms.includes(red), "rooms are intact while disconnecting");
  const gone = await context.serverSaw("disconnect", { id });
  assert.deepEqual(gone.rooms, []);
  assert.equal((await chain(a, "io", ["in_", red], ["fetch_sockets"])).length, 1);
}
