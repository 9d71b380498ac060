// Plays one step of docs/tutorial.md in a real Chromium, with two windows and more.
//
//   CHROMIUM=/path/to/chromium node tutorial.mjs URL STEP
//
// Prints "ok" when the pages show what the tutorial says.

import { chromium } from "playwright-core";

const [url, step] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu"],
});

// A window of its own, whose visitor answers the question for the name.
async function open(name, path = "/") {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(15_000);
  page.on("dialog", (dialog) => dialog.accept(name));
  await page.goto(url + path);
  return page;
}

async function write(page, text) {
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.keyboard.press("Enter");
}

const sees = (page, text) => page.getByText(text, { exact: true }).waitFor();

async function allReadEverything() {
  const [one, other] = [await open(), await open()];
  await write(one, "hello");
  for (const page of [one, other]) await sees(page, "hello");
}

async function peopleHaveNames() {
  const ada = await open("Ada");
  await sees(ada, "Here: Ada");
  const grace = await open("Grace");
  for (const page of [ada, grace]) await sees(page, "Here: Ada, Grace");
  await write(grace, "hello");
  for (const page of [ada, grace]) await sees(page, "Grace: hello");
  await sees(await open("Ada"), "That name is taken.");
  await sees(await open(""), "A name has 1 to 20 characters.");
  await grace.close();
  await sees(ada, "Here: Ada");
}

async function roomsAreApart() {
  const [ada, grace] = [await open("Ada", "/tea"), await open("Grace", "/tea")];
  const alan = await open("Alan", "/coffee");
  for (const page of [ada, grace]) await sees(page, "Here: Ada, Grace");
  await sees(alan, "Here: Alan");
  await write(alan, "anyone?");
  await sees(alan, "Alan: anyone? ✓");
  await write(ada, "sugar?");
  await sees(ada, "Ada: sugar? ✓");
  await sees(grace, "Ada: sugar?");
  for (const page of [ada, grace]) {
    if (await page.getByText("anyone?").count()) throw new Error("a message left its room");
  }
}

await [allReadEverything, peopleHaveNames, roomsAreApart, roomsAreApart][step - 1]();
await browser.close();
console.log("ok");
