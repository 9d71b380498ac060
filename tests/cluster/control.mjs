// Orders come as lines of JSON on the standard input, answers and reports go out the same way.
// ours.py and our_emitter.py speak the same language; see member.py for the other end.

import { createInterface } from "node:readline";

const isPlain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// Bytes travel as {"$bytes": base64}.
export function thaw(value) {
  if (Array.isArray(value)) return value.map(thaw);
  if (!isPlain(value)) return value;
  if ("$bytes" in value) return Buffer.from(value.$bytes, "base64");
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, thaw(item)]));
}

export function freeze(value) {
  if (value instanceof ArrayBuffer) value = new Uint8Array(value);
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return { $bytes: bytes.toString("base64") };
  }
  if (value === undefined) return null;
  if (Array.isArray(value)) return value.map(freeze);
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, freeze(item)]));
}

const print = (message) => console.log(JSON.stringify(freeze(message)));

export const report = (what, fields) => print({ report: what, ...fields });

// An error of an operation: `kind` is the name that our own package gives it.
export const failure = (kind, error) =>
  Object.assign(new Error(error.message ?? String(error)), { kind, responses: error.responses });

async function answer({ id, op, ...order }, operations) {
  try {
    if (!operations[op]) throw new Error(`no operation ${op}`);
    print({ id, result: (await operations[op](thaw(order))) ?? null });
  } catch (error) {
    const { kind = error.name, message, responses = null } = error;
    print({ id, error: { kind, message, responses } });
  }
}

// Obeys until the standard input ends, and then ends the process.
export function obey(operations) {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => answer(JSON.parse(line), operations));
  lines.on("close", () => process.exit(0));
}

// Some adapters leave failed publications to nobody: a server under test survives them, as a
// server in production has to.
for (const event of ["unhandledRejection", "uncaughtException"]) {
  process.on(event, (error) => console.error(`${event}: ${error?.stack ?? error}`));
}
