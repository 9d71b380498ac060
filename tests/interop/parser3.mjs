// The payloads of Engine.IO protocol 3, written and read by the reference server's parser.
//
//   node parser3.mjs FOLDER-OF-SOCKET.IO
//
// Each line of stdin is [ID, "encode", [[TYPE, TEXT-OR-NULL, HEX-OR-NULL], …], TAKES-BINARY] or
// [ID, "decode", HEX, IS-BINARY]; the answer is "result ID JSON".

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

const require = createRequire(`${process.argv[2]}/package.json`);
const parser = require(join(dirname(require.resolve("engine.io")), "parser-v3", "index.js"));

function encode(packets, takesBinary) {
  const given = packets.map(([type, text, hex]) => ({
    type,
    data: hex === null ? (text ?? undefined) : Buffer.from(hex, "hex"),
  }));
  let found;
  parser.encodePayload(given, takesBinary, (payload) => (found = payload));
  const isBinary = typeof found !== "string";
  return [Buffer.from(found).toString("hex"), isBinary];
}

function decode(hex, isBinary) {
  const body = Buffer.from(hex, "hex");
  const found = [];
  parser.decodePayload(isBinary ? body : body.toString(), ({ type, data }) => {
    const hexadecimal = Buffer.isBuffer(data) ? data.toString("hex") : null;
    found.push([type, hexadecimal === null ? (data ?? "") : null, hexadecimal]);
  });
  return found;
}

const operations = { encode, decode };
for await (const line of createInterface({ input: process.stdin })) {
  const [id, name, ...given] = JSON.parse(line);
  console.log("result", id, JSON.stringify(operations[name](...given)));
}
