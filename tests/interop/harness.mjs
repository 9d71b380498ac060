// What the scenarios share: connections in the mode under test, waiting with a
// deadline, and a look at what the server recorded. In a mode that begins with "old " the
// client is version 2 of socket.io-client.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { io, Manager } = require("socket.io-client");
// Another parser than that of the client, by the name of its package.
const PARSER = process.env.PARSER ? { parser: require(process.env.PARSER) } : {};
export { assert, io, Manager };

const TRANSPORTS = {
  polling: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
};
const PATIENCE = 5_000;

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The arguments of the next `event`: one value as it is, several as an array.
export function next(emitter, event, { within = PATIENCE, all = false } = {}) {
  const promise = new Promise((resolve, reject) => {
    const late = new Error(`no "${event}" within ${within} ms`);
    const heard = (...args) => {
      clearTimeout(timer);
      resolve(all || args.length > 1 ? args : args[0]);
    };
    const timer = setTimeout(() => {
      emitter.off(event, heard);
      reject(late);
    }, within);
    emitter.once(event, heard);
  });
  promise.catch(() => {}); // it is an error for those who wait for it only
  return promise;
}

// Everything that `event` brings from now on, one entry of arguments each.
export function collect(emitter, event) {
  const seen = [];
  emitter.on(event, (...args) => seen.push(args.length === 1 ? args[0] : args));
  return seen;
}

// Asks the server something and waits for its acknowledgement.
export const ask = (socket, event, ...args) =>
  socket.timeout
    ? socket.timeout(PATIENCE).emitWithAck(event, ...args)
    : askOld(socket, event, ...args);

const askOld = (socket, event, ...args) =>
  new Promise((resolve, reject) => {
    const late = new Error(`"${event}" was not acknowledged within ${PATIENCE} ms`);
    const timer = setTimeout(reject, PATIENCE, late);
    socket.emit(event, ...args, (answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
  });

// After this, everything the server sent to the socket before has arrived.
export const settle = async (...sockets) => {
  for (const socket of sockets) await ask(socket, "one", 1);
};

export const chain = (socket, start, ...steps) => ask(socket, "chain", start, ...steps);

export async function until(probe, what, within = PATIENCE) {
  const deadline = Date.now() + within;
  for (;;) {
    const found = await probe();
    if (found) return found;
    assert.ok(Date.now() < deadline, `${what} was not seen within ${within} ms`);
    await pause(10);
  }
}

export const range = (count) => Array.from({ length: count }, (_, index) => index);

export class Context {
  constructor(name, mode, url) {
    this.isOld = mode.startsWith("old ");
    this.mode = mode.replace("old ", "");
    this.url = url;
    this.tag = `${name}-${this.mode}-${randomBytes(4).toString("hex")}`;
    this.transports = TRANSPORTS[this.mode];
    this.managers = new Set();
  }

  // The same, with the other version of the client.
  other() {
    const other = new Context("other", this.mode, this.url);
    return Object.assign(other, { tag: this.tag, managers: this.managers, isOld: !this.isOld });
  }

  // A name nobody else uses, for rooms.
  name(label) {
    return `${label}-${this.tag}`;
  }

  options({ auth = {}, ...rest } = {}) {
    const base = { transports: this.transports, forceNew: true, reconnection: false, ...PARSER };
    if (this.isOld) return { ...base, query: { tag: this.tag, ...auth }, ...rest };
    const own = typeof auth === "function" ? auth : { tag: this.tag, ...auth };
    return { ...base, ...rest, auth: own };
  }

  // A socket on a connection of its own, as yet without waiting for anything.
  open(nsp = "/", options = {}, url = this.url) {
    const dial = this.isOld ? require("socket.io-client-2") : io;
    const socket = dial(url + nsp, this.options(options));
    this.managers.add(socket.io);
    return socket;
  }

  // The same, connected; in mode "upgrade" it is on WebSocket by then.
  async connect(nsp = "/", options = {}, url = this.url) {
    const socket = this.open(nsp, options, url);
    await connected(socket);
    if (this.mode === "upgrade") await upgraded(socket);
    return socket;
  }

  // Another namespace on the connection of `socket`.
  join(socket, nsp, auth = {}) {
    const given = { tag: this.tag, ...auth };
    return socket.io.socket(nsp, this.isOld ? { query: given } : { auth: given });
  }

  async get(path) {
    const answer = await fetch(this.url + path);
    assert.equal(answer.status, 200, `GET ${path}`);
    return answer.json();
  }

  records(kind) {
    const tag = encodeURIComponent(this.tag);
    return this.get(`/log?kind=${kind}&tag=${tag}`);
  }

  // The first record of this kind that has these fields.
  async serverSaw(kind, fields = {}) {
    const matches = (record) =>
      Object.entries(fields).every(([name, value]) => record[name] === value);
    return until(
      async () => (await this.records(kind)).find(matches),
      `a server record "${kind}" with ${JSON.stringify(fields)}`,
    );
  }

  closeAll() {
    for (const manager of this.managers) (manager._close ?? manager.close).call(manager);
  }
}

export function connected(socket) {
  return new Promise((resolve, reject) => {
    if (socket.connected) return resolve(socket);
    const end = (act) => (value) => {
      clearTimeout(timer);
      socket.off("connect", joined).off("connect_error", refused).off("error", refused);
      act(value);
    };
    const joined = end(() => resolve(socket));
    const refused = end((error) =>
      reject(new Error(`connect_error: ${error.message} ${JSON.stringify(error.data ?? "")}`)),
    );
    const late = end(() => reject(new Error(`not connected within ${PATIENCE} ms`)));
    const timer = setTimeout(late, PATIENCE);
    socket.on("connect", joined).on("connect_error", refused);
    if (!socket.timeout) socket.on("error", refused); // so version 2 calls it
  });
}

export async function upgraded(socket) {
  const { engine } = socket.io;
  if (engine.transport.name !== "websocket") await next(engine, "upgrade");
  return socket;
}
