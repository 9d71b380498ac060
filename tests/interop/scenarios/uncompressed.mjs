// WebSocket messages of a server that does not agree to compress them.

import { assert, next } from "../harness.mjs";

export async function staysPlainAlthoughItOffersCompression(context) {
  const socket = await context.connect("/", { perMessageDeflate: { threshold: 0 } });
  const { ws } = socket.io.engine.transport;
  assert.equal(ws.extensions, "");
  const long = "long ".repeat(20_000);
  const { bytesRead } = ws._socket;
  const answer = next(socket, "echo");
  socket.emit("echo", long);
  assert.equal(await answer, long);
  assert.ok(ws._socket.bytesRead - bytesRead > long.length);
}
