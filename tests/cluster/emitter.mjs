// The emitter from npm, obeying the tests; our_emitter.py is its twin.
//
//     node emitter.mjs '{"adapter": "classic", "redis": ["redis://…"], "options": {…}}'

import { createRequire } from "node:module";

import { obey } from "./control.mjs";
import { connect } from "./redis.mjs";

const { Emitter } = createRequire(import.meta.url)("@socket.io/redis-emitter");
const settings = JSON.parse(process.argv[2]);

const { client, ready } = connect(settings.redis);
await ready;
const emitter = new Emitter(client, settings.options);

function target({ nsp, to, except, flags = {} }) {
  let chosen = nsp ? emitter.of(nsp) : emitter;
  if (to) chosen = chosen.to(to);
  if (except) chosen = chosen.except(except);
  if (flags.volatile) chosen = chosen.volatile;
  if ("compress" in flags) chosen = chosen.compress(flags.compress);
  return chosen;
}

obey({
  emit: ({ event, args, ...order }) => void target(order).emit(event, ...args),
  join: ({ rooms, ...order }) => void target(order).socketsJoin(rooms),
  leave: ({ rooms, ...order }) => void target(order).socketsLeave(rooms),
  disconnect: ({ close, ...order }) => void target(order).disconnectSockets(close),
  server_side_emit: ({ event, args, ...order }) =>
    void target(order).serverSideEmit(event, ...args),
});
