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
  // The client of a refused connection polls and closes at once. Where the close wins that
  // race, the server no longer knows the session of the poll: 400, as with any server.
  stranger.tolerated.push(/^400: GET .*&transport=polling&.*&sid=/, /^console: .* status of 400 /);
  await stranger.choose(stage.ada.toUpperCase());
  await stranger.sees(stranger.refusal.getByText("is already taken"));
  await ada.listsAsOnline(stage.ada, stage.grace);
  await stranger.enter(`Mary ${stage.number}`);
  await ada.listsAsOnline(stage.ada, stage.grace, `Mary ${stage.number}`);
}

export async function aLostConnectionComesBackIntoItsRoom(stage) {
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
