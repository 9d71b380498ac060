// Drives the example chat in a real Chromium, two windows at a time.
//
//   CHROMIUM=/path/to/chromium PYTHON=/path/to/python node chat.mjs URL
//
// Runs every story of stories.mjs and prints one line for each, "ok NAME" or
// "not ok NAME" with the reason below it. Exit status 0: all of them held.

import { launch } from "./launch.mjs";
import * as stories from "./stories.mjs";
import { Stage } from "./window.mjs";

const browser = await launch();
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
