// The option `protocols` of the client: the names are offered in Sec-WebSocket-Protocol.

import { ask, assert, connected, pause } from "../harness.mjs";

export async function getsTheFirstSubprotocolThatItOffers(context) {
  const socket = await context.connect("/", { protocols: ["graphql.v2", "chat"] });
  const { engine } = socket.io;
  assert.equal(engine.transport.name, "websocket");
  assert.equal(engine.transport.ws.protocol, "graphql.v2");
  assert.equal(await ask(socket, "one", 1), 1);
}

// Where the host answers the handshake of WebSockets by itself, and names no subprotocol.
export async function staysOnPollingWithSubprotocols(context) {
  const socket = await connected(context.open("/", { protocols: ["chat"] }));
  await pause(300);
  assert.equal(socket.io.engine.transport.name, "polling");
  assert.equal(await ask(socket, "one", 1), 1);
}
