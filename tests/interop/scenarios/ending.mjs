// The server closes connections while their clients are upgrading, on a network with latency.

import { assert, connected, next, range } from "../harness.mjs";

const CLIENTS = 16;

// The milliseconds cover the whole upgrade, from the first packet to the time after it.
async function isSeenOff(context, way, reason) {
  const seeOff = async (number) => {
    const socket = context.open("/", { reconnection: way !== "conn.close" });
    const attempts = [];
    socket.io.on("reconnect_attempt", (attempt) => attempts.push(attempt));
    await connected(socket);
    const left = next(socket, "disconnect", { all: true });
    const last = next(socket, "last");
    socket.emit("see me off", way, (number * 15) / 1000);
    const [why] = await left;
    assert.equal(await last, number * 15, `client ${number}`);
    assert.equal(why, reason, `client ${number}`);
    assert.deepEqual(attempts, [], `client ${number} comes back`);
  };
  await Promise.all(range(CLIENTS).map(seeOff));
}

export async function isDisconnectedAfterTheLastEvent(context) {
  await isSeenOff(context, "disconnect", "io server disconnect");
}

export async function isDisconnectedWithAllOthersAfterTheLastEvent(context) {
  await isSeenOff(context, "disconnect_sockets", "io server disconnect");
}

export async function losesItsConnectionAfterTheLastEvent(context) {
  await isSeenOff(context, "conn.close", "transport close");
}
