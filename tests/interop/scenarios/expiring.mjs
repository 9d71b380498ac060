// For a server that remembers clients for 0.3 s.

import { assert, chain, collect, connected, next, pause, settle } from "../harness.mjs";

export async function isSomebodyNewAfterTooLong(context) {
  const socket = await context.connect();
  const other = await context.connect();
  const news = collect(socket, "news");
  const { id } = socket;
  const left = next(socket, "disconnect");
  socket.io.engine.close();
  await left;
  await context.serverSaw("disconnect", { id });
  await chain(other, "io", ["to", id], ["emit", "news", 1]);
  await pause(400);
  socket.connect();
  await connected(socket);
  assert.ok(!socket.recovered);
  assert.notEqual(socket.id, id);
  await settle(socket);
  assert.deepEqual(news, []);
}
