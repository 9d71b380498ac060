// The load of the official client as applications use it: polling first, and then the upgrade.
//
//   node official.mjs connect --conns N --seconds S --port P --pid PID[,PID]
//
// N clients at a time connect, upgrade and disconnect. Prints one line of JSON, as loadgen.c does.

import { readFileSync } from "node:fs";
import { io } from "socket.io-client";

const TICKS = 100; // per second, in /proc
const DEADLINE = 20_000;

const [mode, ...options] = process.argv.slice(2);
const given = Object.fromEntries(options.flatMap((name, at) => (at % 2 ? [] : [[name, options[at + 1]]])));
if (mode !== "connect") throw new Error(`no mode ${mode}`);
const url = `http://127.0.0.1:${given["--port"]}`;
const pids = given["--pid"].split(",");

function cpuSeconds() {
  const ticks = pids.map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").pop().split(" ");
    return Number(fields[11]) + Number(fields[12]); // user and system
  });
  return ticks.reduce((sum, more) => sum + more) / TICKS;
}

function connect() {
  return new Promise((resolve, reject) => {
    const client = io(url, { forceNew: true, reconnection: false });
    const timer = setTimeout(() => reject(new Error("a client did not connect in time")), DEADLINE);
    let missing = 2;
    const count = () => {
      missing -= 1;
      if (missing) return;
      clearTimeout(timer);
      resolve(client);
    };
    client.on("connect", count);
    client.on("connect_error", reject);
    client.io.once("open", () => client.io.engine.once("upgrade", count));
  });
}

const began = performance.now();
const cpu = cpuSeconds();
let ops = 0;
while (performance.now() - began < Number(given["--seconds"]) * 1000) {
  const clients = await Promise.all(Array.from({ length: Number(given["--conns"]) }, connect));
  ops += clients.length;
  for (const client of clients) client.disconnect();
}
const seconds = (performance.now() - began) / 1000;
const cpu_us = Math.round(((cpuSeconds() - cpu) / ops) * 1e7) / 10;
console.log(JSON.stringify({ mode, ops, per_s: Math.round(ops / seconds), cpu_us, failed: 0, seconds }));
process.exit(0);
