// The page of the example cluster in a real Chromium, with a window on each server.
//
//   CHROMIUM=/path/to/chromium node cluster.mjs URL...
//
// Prints "ok" when all windows show what is written in each of them.

import assert from "node:assert/strict";
import { launch } from "./launch.mjs";
import { Window } from "./window.mjs";

const urls = process.argv.slice(2);
const browser = await launch();
const windows = [];
for (const [index, url] of urls.entries()) {
  const phone = { viewport: { width: 360, height: 640 }, colorScheme: "dark" };
  windows.push(await Window.open(browser, url, index ? {} : phone));
}
for (const window of windows) {
  await window.hasState("connected");
  await window.sees(window.page.getByText(`${urls.length} online`));
}
const everyone = () => Promise.all(windows.map((window) => window.page.locator(".message").count()));
for (const [index, window] of windows.entries()) {
  await window.says(`from window ${index}`, ...windows);
  assert.deepEqual(await everyone(), windows.map(() => index + 1));
}
for (const window of windows) {
  assert.ok((await window.contrast(".message .text")) >= 4.5);
  assert.ok(await window.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  window.hadNoProblem();
}
await browser.close();
console.log("ok");
