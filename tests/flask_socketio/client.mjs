// What the official client sees of an application: node client.mjs MODE URL ORDER

import assert from "node:assert/strict";

import { ask, collect, io, next } from "../interop/harness.mjs";

const [mode, url, order] = process.argv.slice(2);
const transports = { polling: ["polling"], websocket: ["websocket"] }[mode];
const options = { transports, forceNew: true, reconnection: false };

async function connect(path = "", event = "count") {
  const socket = io(url + path, options);
  // What a connect handler emits comes before the client is in, and is kept for it.
  const greeting = next(socket, event);
  await next(socket, "connect");
  return [socket, await greeting];
}

const refused = (auth) => next(io(url, { ...options, auth }), "connect_error");

const [first, one] = await connect();
assert.equal(one, 1);
const counted = next(first, "count");
const [second, two] = await connect();
assert.deepEqual([two, await counted], [2, 2]);

const error = await refused({ token: "wrong" });
assert.equal(error.message, "not you");
assert.deepEqual(error.data, { token: "wrong" });
assert.equal((await refused({ refused: "quietly" })).message, "Connection rejected by server");

const answer = next(first, "message");
first.send("text");
assert.equal(await answer, "TEXT");

const echoed = next(first, "binary");
const sent = new Promise((resolve) => {
  first.emit("binary", Buffer.from([1, 2]), (...values) => resolve(values));
});
for (const [data, length] of [await sent, await echoed]) {
  assert.deepEqual([[...data], length], [[1, 2], 2]);
}

assert.equal(await ask(first, "remember", 1), undefined);
assert.equal(await ask(first, "remember", 2), 1);
assert.equal(await ask(second, "remember", 3), undefined);

const said = [next(first, "said"), next(second, "said")];
first.emit("say", "to the room 0");
assert.deepEqual(await Promise.all(said), ["to the room 0", "to the room 0"]);

for (const socket of [first, second]) {
  socket.on("question", (a, b, respond) => respond(a + b, "and more"));
}
assert.deepEqual(await ask(first, "ask me"), [3, "and more"]);
const told = next(first, "told");
first.emit("tell me");
assert.deepEqual(await told, [7, "and more"]);

const answers = [];
await Promise.all(
  ["slow", "quick"].map(async (name) => answers.push(await ask(first, name))),
);
assert.deepEqual(answers, order === "ordered" ? ["slow", "quick"] : ["quick", "slow"]);

const numbers = collect(first, "number");
first.emit("count down", 3);
while (numbers.length < 3) await next(first, "number");
assert.deepEqual(numbers, [3, 2, 1]);

assert.deepEqual(await ask(first, "fail"), { error: "a defect", event: "fail" });
assert.deepEqual(await ask(first, "unheard of", 1), ["unheard of", 1]);

const [chat, welcome] = await connect("/chat", "welcome");
assert.equal(welcome, "/chat");
const everyone = next(chat, "said");
assert.equal(await ask(chat, "say", "hello"), chat.id);
assert.equal(await everyone, "hello");
const stranger = await next(io(`${url}/unknown`, options), "connect_error");
assert.equal(stranger.message, "Invalid namespace");

for (const [end, theirs, mine] of [
  [(socket) => socket.disconnect(), "client disconnect", "io client disconnect"],
  [(socket) => socket.emit("go away"), "server disconnect", "io server disconnect"],
  [(socket) => socket.io.engine.close(), "transport close", "forced close"],
]) {
  const [socket] = await connect();
  const { id } = socket;
  const ended = [next(first, "left"), next(socket, "disconnect", { all: true })];
  end(socket);
  const [left, [reason]] = await Promise.all(ended);
  assert.deepEqual(left, [id, theirs, true]);
  assert.equal(reason, mine);
}
process.exit(0);
