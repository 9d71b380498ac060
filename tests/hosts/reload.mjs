// A client that comes back whenever the server has been replaced, and says what it finds:
// `node reload.mjs URL TRANSPORT`.

import { createRequire } from "node:module";

const { io } = createRequire(import.meta.url)("socket.io-client");
const [url, transport] = process.argv.slice(2);
const socket = io(url, { transports: [transport], reconnectionDelay: 50, reconnectionDelayMax: 50 });

socket.on("connect", async () => {
  console.log("version", await socket.timeout(10_000).emitWithAck("version"));
  socket.emit("block");
});
socket.on("disconnect", (reason) => console.log("left:", reason));
