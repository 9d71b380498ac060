// The adapters from npm with their Redis clients, by the names that the tests use.

import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { createClient, createCluster } = require("redis");

const SECONDS = { requests_timeout: "requestsTimeout", block_time: "blockTimeInMs" };
const NAMES = { ...SECONDS, use_sharded_pubsub: "useShardedPubSub" };

const camel = (name) => NAMES[name] ?? name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

function optionsOf(options) {
  const entries = Object.entries(options ?? {});
  return Object.fromEntries(
    entries.map(([name, value]) => [camel(name), name in SECONDS ? value * 1000 : value]),
  );
}

// A client that comes back quickly; the connection is made meanwhile.
export function connect(urls) {
  const socket = { reconnectStrategy: () => 50 };
  const client =
    urls.length > 1
      ? createCluster({ rootNodes: urls.map((url) => ({ url })), defaults: { socket } })
      : createClient({ url: urls[0], socket });
  client.on("error", (error) => console.error(`redis: ${error.message}`));
  const ready = client.connect();
  ready.catch((error) => console.error(`redis: ${error.message}`));
  return { client, ready };
}

export async function adapterOf({ adapter, redis, options, cluster }) {
  const { createAdapter, createShardedAdapter } = require("@socket.io/redis-adapter");
  const { createAdapter: createStreamsAdapter } = require("@socket.io/redis-streams-adapter");
  const first = connect(redis);
  if (adapter === "streams") return createStreamsAdapter(first.client, optionsOf(options));
  const second = connect(redis);
  // A cluster's client knows no channel before it knows the slots.
  if (cluster) await Promise.all([first.ready, second.ready]);
  const create = adapter === "sharded" ? createShardedAdapter : createAdapter;
  return create(first.client, second.client, optionsOf(options));
}
