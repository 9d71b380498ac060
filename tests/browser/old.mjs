// Version 2 of the client in a real Chromium, where polling takes binary.
//
//   CHROMIUM=/path/to/chromium node old.mjs URL FOLDER-OF-THE-CLIENT
//
// Prints one line for each mode, "ok MODE" or "not ok MODE" with the reason below it.

import assert from "node:assert/strict";
import { join } from "node:path";
import { chromium } from "playwright-core";

const MODES = {
  polling: { transports: ["polling"] },
  base64: { transports: ["polling"], forceBase64: true },
  websocket: { transports: ["websocket"] },
  upgrade: { transports: ["polling", "websocket"] },
};

// Runs in the page: what was echoed, with bytes as lists of numbers.
async function talk(options) {
  const socket = window.io({ ...options, reconnection: false, query: { tag: "browser" } });
  const next = (event) =>
    new Promise((resolve, reject) => {
      setTimeout(reject, 5000, new Error(`no "${event}"`));
      socket.once(event, (...args) => resolve(args));
    });
  const describe = (value) =>
    value instanceof ArrayBuffer
      ? { bytes: [...new Uint8Array(value)] }
      : Array.isArray(value)
        ? value.map(describe)
        : value && typeof value === "object"
          ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, describe(item)]))
          : value;
  await next("connect");
  if (options.transports.length > 1 && socket.io.engine.transport.name === "polling")
    await new Promise((resolve) => socket.io.engine.once("upgrade", resolve));
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
  const echo = next("echo");
  socket.emit("echo", bytes, { deep: [bytes.slice(1, 3).buffer] }, new Blob(["blob"]), "😀 ü");
  socket.emit("one", "in between 😀");
  const found = describe(await echo);
  socket.on("question", (blob, answer) => answer(blob, bytes.slice(1, 3).buffer));
  const blob = bytes.slice(7, 9).buffer;
  const asked = await new Promise((resolve) => socket.emit("ask", blob, resolve));
  const transport = socket.io.engine.transport.name;
  socket.close();
  return { found, asked: describe(asked), transport };
}

const [url, client] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
});
for (const [mode, options] of Object.entries(MODES)) {
  const page = await browser.newPage();
  const kinds = { sent: new Set(), received: new Set() };
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("response", async (response) => {
    if (!response.url().includes("transport=polling")) return;
    kinds.received.add(response.headers()["content-type"]);
    kinds.sent.add(response.request().headers()["content-type"]);
  });
  try {
    await page.goto(`${url}/clients`);
    await page.addScriptTag({ path: join(client, "dist", "socket.io.js") });
    const { found, asked, transport } = await page.evaluate(talk, options);
    const all = Array.from({ length: 256 }, (_, index) => index);
    assert.deepEqual(found, [
      { bytes: all },
      { deep: [{ bytes: [1, 2] }] },
      { bytes: [...Buffer.from("blob")] },
      "😀 ü",
    ]);
    assert.deepEqual(asked, ["tuple", [{ bytes: [7, 8] }, { bytes: [1, 2] }]]);
    assert.equal(transport, options.transports.at(-1));
    const octets = "application/octet-stream";
    for (const seen of Object.values(kinds)) assert.equal(seen.has(octets), mode === "polling");
    assert.deepEqual(problems, []);
    console.log(`ok ${mode}`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`not ok ${mode}`);
    console.log(`${error.stack ?? error}\n${problems.join("\n")}`.replace(/^/gm, "# "));
  }
  await page.close();
}
await browser.close();
