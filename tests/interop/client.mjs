// The Node side of the end-to-end tests: runs scenarios with the official client.
//
//   node client.mjs SCENARIO MODE URL     runs one; its exit status is the result
//   node client.mjs                       runs one for each line [ID, SCENARIO, MODE, URL]
//                                         of stdin and prints "result ID ERROR-OR-NULL"
//
// A scenario is an exported async function of a file in scenarios/.

import { readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { Context } from "./harness.mjs";

const DEADLINE = 20_000;
const GOODBYE = 500;

const scenarios = {};
const folder = new URL("scenarios/", import.meta.url);
for (const file of readdirSync(folder)) Object.assign(scenarios, await import(new URL(file, folder)));

// Resolves, or rejects with whatever goes wrong anywhere meanwhile.
function run(name, mode, url) {
  const context = new Context(name, mode, url);
  let timer;
  const broken = new Promise((_, reject) => {
    const late = () => reject(new Error(`${name} (${mode}) did not end within ${DEADLINE} ms`));
    timer = setTimeout(late, DEADLINE);
    process.once("unhandledRejection", reject).once("uncaughtException", reject);
  });
  return Promise.race([scenarios[name](context), broken]).finally(() => {
    clearTimeout(timer);
    process.removeAllListeners("unhandledRejection").removeAllListeners("uncaughtException");
    context.closeAll();
  });
}

const [name, mode, url] = process.argv.slice(2);
if (name) {
  await run(name, mode, url);
  console.log("ok");
  setTimeout(() => process.exit(0), GOODBYE).unref(); // usually all is closed before
} else {
  for await (const line of createInterface({ input: process.stdin })) {
    const [id, ...scenario] = JSON.parse(line);
    const error = await run(...scenario).then(() => null, (reason) => String(reason?.stack ?? reason));
    console.log("result", id, JSON.stringify(error));
  }
  process.exit(0);
}
