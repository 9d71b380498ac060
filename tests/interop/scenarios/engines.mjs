// An engine of the application's own, and what applications do with sessions.

import { createRequire } from "node:module";
import { ask, assert, next, pause } from "../harness.mjs";

const require = createRequire(import.meta.url);

export async function talksToAnEngineAlone(context) {
  const { Socket } = require("engine.io-client");
  const { transports } = context;
  const socket = new Socket(context.url, { path: "/engine", transports });
  try {
    await next(socket, "open");
    if (context.mode === "upgrade") await next(socket, "upgrade");
    for (const data of ["text é", Buffer.from([0, 255])]) {
      const answer = next(socket, "message");
      socket.send(data);
      assert.deepEqual(await answer, data);
    }
    await pause(450); // two heartbeats
    const answer = next(socket, "message");
    socket.send("heard");
    const heard = (await answer).split(",");
    const ofAll = ["drain", "flush", "heartbeat", "packetCreate"];
    const ofUpgrades = context.mode === "upgrade" ? ["upgrade", "upgrading"] : [];
    assert.deepEqual(heard, [...ofAll, ...ofUpgrades]);
  } finally {
    socket.close();
  }
}

export async function isServedByAnEngineOfTheApplication(context) {
  const socket = await context.connect();
  assert.match(await ask(socket, "id"), /^named-/);
  assert.equal(socket.io.engine.id, await ask(socket, "id"));
  const raw = next(socket, "raw");
  await ask(socket, "raw");
  assert.equal(await raw, "é");
  const transport = context.mode === "websocket" ? "websocket" : "polling";
  assert.deepEqual(await ask(socket, "forget"), [false, transport]);
  assert.match(await ask(socket, "id"), /^named-/);
}
