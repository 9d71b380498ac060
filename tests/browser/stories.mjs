// What two people see in the chat. Each export is one test of test_chat_page.py.

import assert from "node:assert/strict";
import { Proxy } from "./proxy.mjs";

export async function twoWindowsSeeEachOtherOnline(stage) {
  const [ada, grace] = await stage.openBoth();
  await ada.listsAsOnline(stage.ada, stage.grace);
  await grace.listsAsOnline(stage.ada, stage.grace);
  await ada.reads(`${stage.grace} joined`);
  await ada.hasState("connected");
}

export async function theTransportIsUpgradedToWebsocket(stage) {
  const [ada, grace] = await stage.openBoth();
  for (const window of [ada, grace]) {
    const polled = window.requests.some((address) => address.includes("transport=polling"));
    assert.ok(polled, "the connection starts with polling");
    await window.isUpgraded();
  }
  await ada.say("over a socket");
  await ada.sendsInFrame("over a socket");
  await grace.receivesInFrame("over a socket");
}

export async function messagesArriveInBothDirections(stage) {
  const [ada, grace] = await stage.openBoth();
  await ada.say("Good evening, Grace!");
  await grace.reads("Good evening, Grace!");
  await ada.seesDelivered("Good evening, Grace!");
  await grace.say("Good evening, Ada!");
  await ada.reads("Good evening, Ada!");
  await grace.seesDelivered("Good evening, Ada!");
}

export async function markupInAMessageIsShownAsText(stage) {
  const [ada, grace] = await stage.openBoth();
  const text = '<img src="/nowhere" onerror="document.title = 1"> & <b>bold</b>';
  await ada.say(text);
  await grace.reads(text);
  assert.equal(await grace.log.locator("img, b").count(), 0);
}

export async function theTypingIndicatorAppearsAndDisappears(stage) {
  const [ada, grace] = await stage.openBoth();
  await grace.message.pressSequentially("Let me th");
  await ada.sees(ada.isTyping(stage.grace));
  await grace.message.fill("");
  await ada.sawLast(ada.isTyping(stage.grace));
  await grace.message.pressSequentially("Here it is");
  await ada.sees(ada.isTyping(stage.grace));
  await grace.message.press("Enter");
  await ada.sawLast(ada.isTyping(stage.grace));
}

export async function theTypingIndicatorDisappearsWhenSomebodyStopsTyping(stage) {
  const [ada, grace] = await stage.openBoth();
  await grace.message.pressSequentially("I will never send th");
  await ada.sees(ada.isTyping(stage.grace));
  await ada.sawLast(ada.isTyping(stage.grace));
}

export async function switchingRoomsLeavesPeopleAndMessagesBehind(stage) {
  const [ada, grace] = await stage.openBoth();
  await ada.say("Before you leave");
  await grace.reads("Before you leave");
  await grace.switchTo("#music");
  await grace.listsAsOnline(stage.grace);
  await ada.listsAsOnline(stage.ada);
  await ada.reads(`${stage.grace} left`);
  await ada.say("While you were away");
  await ada.seesDelivered("While you were away");
  await grace.say("Is anybody here?"); // what is delivered before this has arrived after it
  await grace.seesDelivered("Is anybody here?");
  assert.equal(await grace.log.getByText("While you were away").count(), 0);
  await grace.switchTo(stage.room);
  await grace.reads("Before you leave");
  await grace.reads("While you were away");
  await ada.listsAsOnline(stage.ada, stage.grace);
}

export async function aRoomThatSomebodyOpensAppearsInBothWindows(stage) {
  const [ada, grace] = await stage.openBoth();
  await ada.openRoom(`Quiet Corner ${stage.number}`);
  await ada.isIn(`#quiet-corner-${stage.number}`);
  await grace.switchTo(`#quiet-corner-${stage.number}`);
  await ada.listsAsOnline(stage.ada, stage.grace);
  await grace.say("Cosy in here");
  await ada.reads("Cosy in here");
}

export async function aClosedWindowLeavesTheList(stage) {
  const [ada, grace] = await stage.openBoth();
  // A window that closes between two polls leaves nothing that the server could notice
  // before the heartbeat does; the end of a WebSocket is seen at once.
  await grace.isUpgraded();
  await grace.page.close();
  await ada.listsAsOnline(stage.ada);
  await ada.reads(`${stage.grace} left`);
}

export async function aNicknameInUseIsRefusedInThePage(stage) {
  const [ada] = await stage.openBoth();
  const stranger = await stage.open();
  stranger.tolerateRefusal();
  await stranger.choose(stage.ada.toUpperCase());
  await stranger.sees(stranger.refusal.getByText("is already taken"));
  await ada.listsAsOnline(stage.ada, stage.grace);
  await stranger.enter(`Mary ${stage.number}`);
  await ada.listsAsOnline(stage.ada, stage.grace, `Mary ${stage.number}`);
}

export async function aLostConnectionIsRecoveredInItsRoom(stage) {
  const proxy = await Proxy.to(stage.url);
  stage.proxies.push(proxy);
  const [ada, grace] = await stage.openBoth({ through: proxy.url });
  await ada.isUpgraded();
  proxy.cut();
  await ada.hasState("reconnecting");
  await grace.listsAsOnline(stage.grace);
  await grace.say("Where are you?");
  await ada.hasState("connected");
  await ada.reads("Where are you?");
  await ada.reads("The connection was lost and is recovered. You have missed nothing.");
  await grace.reads(`${stage.ada} is back`);
  await grace.listsAsOnline(stage.ada, stage.grace);
  await ada.say("Back again");
  await grace.reads("Back again");
}

export async function aPageTakesOverItsNicknameFromItsBrokenConnection(stage) {
  const proxy = await Proxy.to(stage.url);
  stage.proxies.push(proxy);
  const [ada, grace] = await stage.openBoth({ through: proxy.url });
  await ada.isUpgraded();
  proxy.cutNearSide();
  await ada.hasState("reconnecting");
  await ada.hasState("connected");
  await grace.reads(`${stage.ada} left`);
  await grace.listsAsOnline(stage.ada, stage.grace);
  await ada.say("It is still me");
  await grace.reads("It is still me");
}

export async function theConversationOutlivesTheServer(stage) {
  const server = await stage.startServer();
  const [ada, grace] = await stage.openBoth();
  for (const window of [ada, grace]) window.tolerateRestart();
  await ada.says("Said before", grace);
  await Promise.all([ada.isUpgraded(), grace.isUpgraded()]);
  await server.stop();
  await ada.hasState("reconnecting");
  await ada.say("Said in between");
  await ada.sees(ada.log.getByText("Waiting for the connection…"));
  await server.start();
  await ada.seesDelivered("Said in between");
  await grace.reads("Said in between");
  for (const window of [ada, grace]) {
    await window.reads("The server has restarted. Nothing said here is lost.");
    for (const text of ["Said before", "Said in between"]) {
      assert.equal(await window.log.getByText(text, { exact: true }).count(), 1);
    }
  }
  await grace.says("Said after", ada);
}

export async function aReloadKeepsTheNicknameAndWhatWasSaid(stage) {
  const [ada, grace] = await stage.openBoth();
  await ada.says("Before the reload", grace);
  await ada.isUpgraded();
  await ada.reload();
  await ada.reads("Before the reload");
  await ada.listsAsOnline(stage.ada, stage.grace);
  await ada.says("And after it", grace);
  await ada.page.getByRole("button", { name: "Leave" }).click();
  await grace.listsAsOnline(stage.grace);
  await ada.page.reload();
  await ada.sees(ada.page.getByRole("button", { name: "Join" }));
  await ada.sees(ada.status.getByText("Join to connect"));
}

export async function aDuplicatedWindowTakesTheNicknameWithIt(stage) {
  const [ada, grace] = await stage.openBoth();
  await ada.isUpgraded();
  const opened = ada.page.waitForEvent("popup");
  await ada.page.evaluate(() => void window.open(location.href));
  const copy = await opened;
  await copy.getByRole("button", { name: "Send", disabled: false }).waitFor();
  await ada.sees(ada.refusal.getByText("You have joined in another window."));
  await grace.listsAsOnline(stage.ada, stage.grace);
}

export async function backGoesToTheRoomBefore(stage) {
  const [ada, grace] = await stage.openBoth();
  await ada.says("In the first room", grace);
  await ada.switchTo("#music");
  await ada.page.goBack();
  await ada.isIn(stage.room);
  await ada.reads("In the first room");
  await grace.listsAsOnline(stage.ada, stage.grace);
  await ada.page.goForward();
  await ada.isIn("#music");
  await grace.listsAsOnline(stage.grace);
}

export async function otherRoomsShowHowMuchIsUnread(stage) {
  const [ada, grace] = await stage.openBoth();
  await grace.switchTo("#code");
  await ada.say("One");
  await ada.say("Two");
  await grace.hasUnread(stage.room, 2);
  assert.match(await grace.page.title(), /^\(\d+\) #code · Small Talk$/);
  await grace.switchTo(stage.room);
  await grace.reads("Two");
  assert.equal(await grace.page.getByText("2 unread").count(), 0);
}

export async function theTransportAndTheRoundTripAreShown(stage) {
  const [ada] = await stage.openBoth();
  await ada.sees(ada.page.getByText(/^websocket · [\d.]+ ms$/));
  await ada.sees(ada.page.getByRole("link", { name: "Socket.IO" }));
  await ada.sees(ada.page.getByText("flask_realtime"));
}

export async function namesAreCutAtWholeCharacters(stage) {
  const ada = await stage.open();
  ada.tolerateRefusal();
  const family = "👩‍👩‍👧‍👦";
  await ada.choose("A");
  await ada.sees(ada.refusal.getByText("A nickname has 2 to 20 characters."));
  await ada.choose(family);
  await ada.sees(ada.refusal.getByText("A nickname has 2 to 20 characters."));
  await ada.page.getByRole("textbox", { name: "Nickname" }).fill(family.repeat(25));
  await ada.sees(ada.refusal.getByText("At most 20 characters."));
  await ada.page.keyboard.press("Enter");
  await ada.listsAsOnline(family.repeat(20));
  // Twenty characters each, and some more.
  const characters = ["🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🇳🇴", "👩🏽‍🚀", "❤️‍🔥", "é", "क्षि", "กำ", "한", "دً", "ß", "ꙮ"];
  for (const character of characters) {
    await ada.openRoom(character.repeat(23));
    await ada.isIn(`#${character.repeat(20).normalize("NFC").toLowerCase()}`);
  }
}

export async function theKeyboardAloneIsEnough(stage) {
  const [ada, grace] = [await stage.open(), await stage.open()];
  const { keyboard } = ada.page;
  await grace.enter(stage.grace);
  await ada.focuses("Nickname");
  await keyboard.type(stage.ada);
  await keyboard.press("Enter");
  await ada.listsAsOnline(stage.ada, stage.grace);
  await ada.focuses("Message");
  await keyboard.type("By hand");
  await keyboard.press("Enter");
  await grace.reads("By hand");
  const stops = [];
  for (let name = await ada.focused(); !stops.includes(name); name = await ada.focused()) {
    stops.push(name);
    await keyboard.press("Tab");
  }
  assert.deepEqual(stops.filter(Boolean).slice(0, 5), ["Message", "Send", "Leave", "Socket.IO", "New room"]);
  assert.ok(stops.includes("Messages"), "the log can be scrolled");
  while ((await ada.focused()) !== "New room") await keyboard.press("Tab");
  await keyboard.press("Enter");
  await ada.focuses("Room name");
  await keyboard.press("Escape");
  await ada.focuses("Message");
  while ((await ada.focused()).split(" ")[0] !== "#music") await keyboard.press("Shift+Tab");
  await keyboard.press("Enter");
  await ada.isIn("#music");
}

export async function aPhoneShowsTheWholeChat(stage) {
  const viewport = { width: 360, height: 640 };
  const phone = await stage.open(stage.url, { viewport, isMobile: true, hasTouch: true });
  const [ada] = await stage.openBoth();
  const fits = () => phone.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
  assert.ok(await fits(), "the entrance");
  await phone.enter(`Wilhelmina ${stage.number}`);
  await phone.isUpgraded();
  await ada.says("A_word_that_is_wider_than_any_phone_".repeat(4), phone);
  assert.ok(await fits(), "the chat");
  for (const name of ["Send", "New room", "Leave"]) {
    const box = await phone.page.getByRole("button", { name, exact: true }).boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= viewport.width, name);
    assert.ok(box.y >= 0 && box.y + box.height <= viewport.height, name);
  }
}

export async function allTextIsReadableInLightAndInDark(stage) {
  const light = await stage.open(stage.url, { colorScheme: "light" });
  const dark = await stage.open(stage.url, { colorScheme: "dark" });
  const seen = async (window, ...selectors) => {
    for (const selector of selectors) {
      const ratio = await window.contrast(selector);
      assert.ok(ratio >= 4.5, `${selector}: ${ratio.toFixed(2)}`);
    }
  };
  const entrance = ["h1", "#status", "label", "#enter", ".tips", "footer", "footer a"];
  for (const window of [light, dark]) await seen(window, ...entrance);
  await light.enter(stage.ada);
  await dark.enter(stage.grace);
  await light.says("Is it light there?", dark);
  await dark.says("No, dark.", light);
  for (const window of [light, dark]) {
    await seen(window, ".own .text", ".message:not(.own) .text", ".author", "time", ".delivery");
    await seen(window, "[aria-current=true]", "#rooms button", ".count", ".you", "#leave", "#send");
  }
  await seen(light, ".notice");
}
