// Opens the page of the README's first program in two windows of a real Chromium.
//
//   CHROMIUM=/path/to/chromium node first.mjs URL
//
// Prints "ok" when both read what is written in one, and that one gets its answer.

import { launch } from "./launch.mjs";
import { Window } from "./window.mjs";

const [url] = process.argv.slice(2);
const browser = await launch();
const [one, other] = [await Window.open(browser, url), await Window.open(browser, url)];
await one.say("hello");
await one.sees(one.page.getByText("delivered"));
for (const { page, problems } of [one, other]) {
  await page.getByRole("listitem").getByText("hello", { exact: true }).waitFor();
  const serious = problems.filter((problem) => !problem.includes("404")); // no icon
  if (serious.length) throw new Error(serious.join("\n"));
}
await browser.close();
console.log("ok");
