// Drives the example chat in a real Chromium, two windows at a time.
//
//   CHROMIUM=/path/to/chromium node chat.mjs URL
//
// Runs every story of stories.mjs and prints one line for each, "ok NAME" or
// "not ok NAME" with the reason below it. Exit status 0: all of them held.

import { chromium } from "playwright-core";
import * as stories from "./stories.mjs";
import { Stage } from "./window.mjs";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

// Playwright gives every launch a new, empty profile.
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  headless: true,
  args: FLAGS,
});

const [url] = process.argv.slice(2);
for (const [name, story] of Object.entries(stories)) {
  const stage = new Stage(browser, url, name);
  try {
    await story(stage);
    await stage.close();
    console.log(`ok ${name}`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`not ok ${name}`);
    console.log(`${error.stack ?? error}\n${await stage.describe()}`.replace(/^/gm, "# "));
    await stage.abandon();
  }
}
await browser.close();
