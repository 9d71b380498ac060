// Clients of the official library that go on through whatever happens to the server. Each numbers
// its events; what it hears back has to be each number once, in order, within a connection.
//
//   node crowd.mjs URL COUNT TRANSPORTS
//
// Commands on stdin, one a line; each is answered by one line of JSON.

import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const [url, count, transports] = process.argv.slice(2);
const seen = { connects: 0, errors: [], reasons: {}, wrong: 0, late: 0, answers: 0, said: 0 };
const clients = [];
// An answer that takes longer is lost. Requests may wait for workers that have to load.
const PATIENCE = 20_000;
let chatters = [];
let running = true;

function makeClient(number) {
  const client = io(url, {
    forceNew: true,
    transports: transports.split(","),
    reconnectionDelay: 50,
    reconnectionDelayMax: 500,
  });
  client.life = 0;
  client.heard = [];
  client.on("connect", () => {
    seen.connects += 1;
    client.life += 1;
  });
  client.on("connect_error", (error) => {
    const { description } = error;
    const detail = description?.status ?? description?.message ?? description ?? "";
    seen.errors.push(`${error.message} ${detail}`);
  });
  client.on("disconnect", (reason) => {
    seen.reasons[reason] = (seen.reasons[reason] ?? 0) + 1;
  });
  client.on("said", (...values) => {
    seen.said += 1;
    client.heard.push(values);
  });
  client.on("question", (answer) => answer(number));
  client.on("pid", (pid) => (client.pid = pid));
  clients.push(client);
  return client;
}

async function chatter(client, number) {
  for (let step = 0; running; step += 1) {
    if (!client.connected) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      continue;
    }
    const life = client.life;
    try {
      const [back, at, text] = await client.timeout(PATIENCE).emitWithAck("echo", number, step, "é");
      seen.answers += 1;
      if (back !== number || at !== step || text !== "é") seen.wrong += 1;
    } catch (error) {
      // An answer of a connection that is over never comes.
      if (client.connected && client.life === life) seen.late += 1;
    }
  }
}

const commands = {
  async connected() {
    await until(() => clients.every((client) => client.connected));
    return true;
  },
  chatter() {
    chatters = clients.map(chatter);
    return true;
  },
  pids: () => clients.map((client) => client.pid),
  transports: () => clients.map((client) => client.io.engine.transport.name),
  recovered: () => clients.map((client) => client.recovered),
  heard: () => clients.map((client) => client.heard),
  async upgraded() {
    await until(() => clients.every((c) => c.io.engine?.transport?.name === "websocket"));
    return true;
  },
  emit: (number, ...args) => clients[number].emit(...args) && true,
  call: (number, ...args) => clients[number].timeout(8000).emitWithAck(...args),
  cut() {
    for (const client of clients) {
      client.lifeBefore = client.life;
      client.io.engine.close();
    }
  },
  async back() {
    await until(() => clients.every((client) => client.connected && client.life > client.lifeBefore));
    return true;
  },
  leave: (number) => clients[number].disconnect() && true,
  async answers(more) {
    const goal = seen.answers + more;
    await until(() => seen.answers >= goal);
    return seen.answers;
  },
  // Every answer that is still to come is waited for.
  async stop() {
    running = false;
    await Promise.all(chatters);
    return true;
  },
  seen: () => seen,
};

async function until(probe) {
  while (!probe()) await new Promise((resolve) => setTimeout(resolve, 10));
}

for (let number = 0; number < Number(count); number += 1) makeClient(number);

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const [name, ...args] = JSON.parse(line);
    try {
      console.log(`answer ${JSON.stringify((await commands[name](...args)) ?? null)}`);
    } catch (error) {
      console.log(`answer ${JSON.stringify({ failed: String(error) })}`);
    }
  })
  .on("close", () => process.exit(0));
console.log("ready");
