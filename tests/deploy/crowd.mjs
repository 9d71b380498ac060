// Many official clients of one server, for tests that stop it.
//
//   node crowd.mjs URL COUNT
//
// Prints "all here" when all are connected and joined, {"gone": CLIENT, "at": MS, "reason": …} when
// one loses its connection and {"back": CLIENT, "recovered": …} when it has come back. On a line of
// stdin with a number it waits until each client has received that, and prints what all of them
// have received as JSON.

import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const [url, count] = [process.argv[2], Number(process.argv[3])];
const options = { forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 200 };
const say = (value) => console.log(JSON.stringify(value));
const numbers = [];
let upgraded = 0;

for (let client = 0; client < count; client++) {
  const socket = io(url, options);
  const got = (numbers[client] = []);
  let isNew = true;
  socket.on("message", (text) => typeof text === "number" && got.push(text));
  socket.on("connect", () => {
    if (!isNew) return say({ back: client, recovered: socket.recovered });
    isNew = false;
    socket.send("hello"); // comes back with an offset, from which it can be recovered
    const ready = () => ++upgraded === count && console.log("all here");
    const { engine } = socket.io;
    if (engine.transport.name === "websocket") ready();
    else engine.once("upgrade", ready);
  });
  socket.on("disconnect", (reason) => isNew || say({ gone: client, at: Date.now(), reason }));
}

for await (const line of createInterface({ input: process.stdin })) {
  const until = Date.now() + 5_000;
  while (Date.now() < until && numbers.some((got) => !got.includes(Number(line)))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  say({ numbers });
}
