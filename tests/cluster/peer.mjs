// A server from npm that does what the tests order; ours.py is its twin.
//
//     node peer.mjs '{"adapter": "classic", "redis": ["redis://…"], "options": {…}}'

import { createServer } from "node:http";
import { createRequire } from "node:module";

import { failure, obey, report } from "./control.mjs";
import { adapterOf } from "./redis.mjs";

const { Server } = createRequire(import.meta.url)("socket.io");
const settings = JSON.parse(process.argv[2]);

const http = createServer();
const io = new Server(http, {
  serveClient: false,
  cookie: settings.cookie,
  adapter: await adapterOf(settings),
  connectionStateRecovery: settings.recovery
    ? { maxDisconnectionDuration: settings.recovery * 1000 }
    : undefined,
});

const known = new Set();

function namespace(name = "/") {
  const nsp = io.of(name);
  if (known.has(name)) return nsp;
  known.add(name);
  nsp.on("connection", (socket) => {
    const { rooms = [], data = {} } = socket.handshake.auth;
    if (!socket.recovered) {
      socket.join(rooms);
      Object.assign(socket.data, data);
    }
    const seen = { nsp: name, sid: socket.id };
    report("connection", { ...seen, recovered: Boolean(socket.recovered) });
    socket.on("disconnect", (reason) => report("disconnect", { ...seen, reason }));
    socket.emit("ready"); // it is in its rooms
  });
  return nsp;
}

// What an order addresses: a namespace, or one of its local sockets, with modifiers.
function target({ nsp, from, to, except, flags = {}, timeout }) {
  let chosen = namespace(nsp);
  if (from) chosen = chosen.sockets.get(from).broadcast;
  if (to) chosen = chosen.to(to);
  if (except) chosen = chosen.except(except);
  if (flags.volatile) chosen = chosen.volatile;
  if (flags.local) chosen = chosen.local;
  if ("compress" in flags) chosen = chosen.compress(flags.compress);
  if (timeout) chosen = chosen.timeout(timeout * 1000);
  return chosen;
}

async function asked(promise, kind) {
  try {
    return await promise;
  } catch (error) {
    throw failure(kind, error);
  }
}

const remote = {
  emit: (socket, { event, args }) => socket.emit(event, ...args),
  join: (socket, { rooms }) => socket.join(rooms),
  leave: (socket, { room }) => socket.leave(room),
  disconnect: (socket, { close }) => socket.disconnect(close),
  emit_ack: (socket, { event, args, timeout }) =>
    asked(socket.timeout(timeout * 1000).emitWithAck(event, ...args), "AckTimeout"),
};

function listen({ nsp, event, answer, silent }) {
  namespace(nsp).on(event, (...args) => {
    const done = typeof args.at(-1) === "function" ? args.pop() : () => {};
    report("server_side", { nsp: nsp ?? "/", event, args });
    if (!silent) done(answer);
  });
}

obey({
  of: ({ nsp }) => void namespace(nsp),
  emit: ({ event, args, ...order }) => void target(order).emit(event, ...args),
  emit_ack: ({ event, args, ...order }) =>
    asked(target({ timeout: 5, ...order }).emitWithAck(event, ...args), "AckTimeout"),
  fetch: async (order) => {
    const sockets = await asked(target(order).fetchSockets(), "ClusterTimeout");
    return sockets.map(({ id, rooms, data, handshake }) => {
      return { id, rooms: [...rooms].sort(), data, handshake };
    });
  },
  remote: async ({ nsp, sid, action, ...order }) => {
    const [socket] = await namespace(nsp).in(sid).fetchSockets();
    const result = await remote[action](socket, order);
    return action === "emit_ack" ? result : null;
  },
  join: ({ rooms, ...order }) => void target(order).socketsJoin(rooms),
  leave: ({ rooms, ...order }) => void target(order).socketsLeave(rooms),
  disconnect: ({ close, ...order }) => void target(order).disconnectSockets(close),
  server_side_emit: ({ nsp, event, args }) => void namespace(nsp).serverSideEmit(event, ...args),
  server_side_emit_ack: ({ nsp, event, args }) =>
    asked(namespace(nsp).serverSideEmitWithAck(event, ...args), "ClusterTimeout"),
  server_count: ({ nsp }) => namespace(nsp).adapter.serverCount(),
  listen: (order) => void listen(order),
  rooms: ({ nsp }) =>
    Object.fromEntries(
      [...namespace(nsp).sockets].map(([sid, socket]) => [sid, [...socket.rooms].sort()]),
    ),
  stats: () => ({}),
  close: () => void io.close(),
});

namespace();
http.listen(settings.port ?? 0, "127.0.0.1", () => {
  console.log(`listening ${http.address().port}`);
});
