// Takes the pictures of the chat that the README shows.
//
//   CHROMIUM=/path/to/chromium PYTHON=/path/to/python node screenshots.mjs FOLDER [all]
//
// ./dev screenshots runs it. Two people talk while the server is restarted, a third one is in
// another room; in light and in dark colours. "all" adds the form at the entrance, a phone, and
// leaves the pictures as large as they are.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { launch } from "./launch.mjs";
import { ChatServer } from "./server.mjs";
import { Window } from "./window.mjs";

const [folder, all] = process.argv.slice(2);
const DESK = { width: 1000, height: 700 };
const PHONE = { width: 390, height: 700 };

async function save(window, name, colorScheme) {
  const picture = await window.page.screenshot({ animations: "disabled", caret: "hide" });
  const file = join(folder, `${name}-${colorScheme}.png`);
  await writeFile(file, all ? picture : await small(picture));
}

// As few bytes as a page with some text needs.
async function small(picture) {
  const { default: sharp } = await import("sharp");
  return sharp(picture).png({ palette: true, colours: 256, effort: 10 }).toBuffer();
}

async function photograph(browser, server, colorScheme) {
  const seat = (options, room = "lobby") =>
    Window.open(browser, `${server.url}/?room=${room}`, { colorScheme, ...options });
  const ada = await seat({ viewport: DESK });
  if (all) await save(ada, "welcome", colorScheme);
  const [grace, mary] = [await seat(), await seat({ viewport: PHONE }, "music")];
  await ada.enter("Ada");
  await grace.enter("Grace");
  await ada.says("Good evening, Grace!", grace);
  await grace.says("Hello Ada. I am about to restart the server.", ada);
  await Promise.all([grace.isUpgraded(), ada.isUpgraded()]);
  await server.stop();
  await ada.hasState("reconnecting");
  await ada.say("I keep on writing meanwhile 🫖");
  if (all) await save(ada, "waiting", colorScheme);
  await server.start();
  await grace.reads("I keep on writing meanwhile 🫖");
  await ada.reads("Grace joined").catch(() => {}); // unless she was the first to be back
  await grace.says("And here it is, with nothing lost.", ada);
  await mary.enter("Mary");
  await mary.say("Does anyone have the notes?");
  await mary.seesDelivered("Does anyone have the notes?");
  await grace.message.pressSequentially("Welc");
  await ada.sees(ada.isTyping("Grace"));
  await ada.sees(ada.page.getByText(/^websocket · \d/));
  await save(ada, "chat", colorScheme);
  if (all) {
    await mary.switchTo("#lobby");
    await mary.says("Hello from the train!", ada);
    await save(mary, "phone", colorScheme);
    await mary.page.getByRole("button", { name: "New room" }).click();
    await save(mary, "dialog", colorScheme);
  }
  for (const window of [ada, grace, mary]) await window.close();
}

const browser = await launch();
await mkdir(folder, { recursive: true });
for (const colorScheme of ["light", "dark"]) {
  const server = await ChatServer.start();
  await photograph(browser, server, colorScheme);
  await server.close();
}
await browser.close();
