// Behind a proxy that lets no WebSockets through.

import { ask, assert, connected, next, pause } from "../harness.mjs";

export async function staysOnPollingBehindAProxy(context) {
  const socket = await connected(context.open());
  await pause(500);
  assert.equal(socket.io.engine.transport.name, "polling");
  assert.equal(await ask(socket, "one", 1), 1);
}

export async function isRefusedAWebSocketByAProxy(context) {
  const socket = context.open();
  const error = await next(socket, "connect_error");
  assert.equal(error.message, "websocket error");
}
