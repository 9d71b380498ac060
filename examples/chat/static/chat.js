// One connection to the server (app.py), one room at a time.
// Text from other people is inserted through textContent only.
import { avatar, inItem, limit, make, randomKey } from "./elements.js";
import { showTyping } from "./typing.js";
import { showWire } from "./wire.js";

const page = Object.fromEntries([...document.querySelectorAll("[id]")].map((element) => [element.id, element]));
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

const me = {
  nickname: sessionStorage.getItem("nickname") ?? "", // kept over a reload
  // Tells the server that a reconnection comes from this page and may take over its nickname.
  key: sessionStorage.getItem("key") ?? randomKey(),
  room: "", // the room that is shown
  wanted: roomOfAddress(), // the room to be in, as soon as there is a connection
  run: "", // changes when the server is restarted
  joined: false,
  lost: false, // whether the connection was lost since the room was last joined
  people: [],
};

const unread = new Map(); // room -> messages in it since it was last shown
const outbox = new Map(); // key -> own message that is not delivered yet

const socket = io({
  autoConnect: false,
  reconnectionDelayMax: 3000,
  auth: (send) => send({ nickname: me.nickname, key: me.key }),
});

const typing = showTyping(socket, page.text, page.typing);
showWire(socket, page.wire);

// --- Connection ------------------------------------------------------------------------------

page.welcome.addEventListener("submit", (event) => {
  event.preventDefault();
  me.nickname = page.nickname.value;
  enter();
});

function enter() {
  page.refusal.textContent = "";
  page.enter.disabled = true;
  sessionStorage.setItem("key", me.key);
  showState("connecting", "Connecting…");
  socket.connect();
}

socket.on("connect", () => {
  showState("connected", "Connected");
  showChat(true);
  if (socket.recovered && me.wanted === me.room) resume();
  else join(me.wanted);
});

socket.on("connect_error", (error) => {
  if (socket.active) {
    showState("reconnecting", "Reconnecting…");
  } else {
    leaveChat(error.message); // A middleware on the server refused the client.
  }
});

socket.on("disconnect", (reason) => {
  me.lost = true;
  setJoined(false);
  if (socket.active) {
    showState("reconnecting", "Reconnecting…");
  } else if (reason === "io server disconnect") {
    leaveChat("You have joined in another window.");
  } else {
    leaveChat("");
  }
});

page.leave.addEventListener("click", () => {
  socket.disconnect();
  outbox.clear();
  me.room = "";
});

function showState(state, text) {
  page.status.dataset.state = state;
  page.status.textContent = text;
}

function showChat(visible) {
  const appearing = visible && page.chat.hidden;
  page.chat.hidden = !visible;
  page.welcome.hidden = visible;
  page.enter.disabled = false;
  if (appearing) page.text.focus();
}

function leaveChat(message) {
  sessionStorage.removeItem("nickname");
  showState("offline", "Join to connect");
  showChat(false);
  page.refusal.textContent = message;
  page.nickname.value = me.nickname;
  page.nickname.select();
}

// --- Rooms -----------------------------------------------------------------------------------

async function join(name, remember = history.replaceState) {
  me.wanted = name;
  const answer = await request("join", name);
  if (answer.lost) return; // the next connection joins
  if (answer.error) return refuseRoom(answer.error);
  const again = answer.room === me.room;
  Object.assign(me, { nickname: answer.nickname, room: answer.room, wanted: answer.room });
  sessionStorage.setItem("nickname", me.nickname);
  page["room-title"].textContent = me.room;
  remember.call(history, null, "", `?room=${encodeURIComponent(me.room.slice(1))}`);
  if (!again) page.log.replaceChildren();
  for (const message of answer.history) {
    if (!settle(message.key)) append(messageItem(message), true);
  }
  if (again && me.lost) addStateNotice(me.run === answer.run ? "You are back." : "The server has restarted. Nothing said here is lost.");
  me.run = answer.run;
  showPeople(me.people); // again, now that the nickname is known
  typing.keep([]);
  resume(again);
}

/** Go on in the room that is shown: after joining it, or where a recovered connection left off. */
function resume(again = true) {
  if (again && socket.recovered && me.lost) addStateNotice("The connection was lost and is recovered. You have missed nothing.");
  me.lost = false;
  unread.delete(me.room);
  setJoined(true);
  showTitle();
  for (const message of outbox.values()) {
    if (message.room !== me.room) continue;
    append(message.item, true);
    deliver(message);
  }
}

async function refuseRoom(error) {
  const first = document.body.dataset.firstRoom;
  if (!me.room && me.wanted !== first) await join(first);
  me.wanted = me.room || first;
  addNotice(error);
}

/** Change to a room, unless there is no connection: the composer then stays with its room. */
function go(name) {
  if (me.joined && name !== me.room) join(name, history.pushState);
}

window.addEventListener("popstate", () => {
  me.wanted = roomOfAddress();
  if (me.joined && me.wanted !== me.room) join(me.wanted);
});

function roomOfAddress() {
  const name = new URLSearchParams(location.search).get("room");
  return name ? `#${name}` : document.body.dataset.firstRoom;
}

function setJoined(joined) {
  me.joined = joined;
  page.send.disabled = !me.room;
  markRooms();
}

function markRooms() {
  for (const button of page.rooms.querySelectorAll("button")) {
    const current = button.value === me.room;
    const missed = unread.get(button.value) ?? 0;
    const mark = button.querySelector(".unread");
    button.setAttribute("aria-current", String(current));
    button.disabled = Boolean(me.room) && !me.joined && !current;
    mark.hidden = !missed;
    mark.firstChild.textContent = missed > 99 ? "99+" : missed;
    if (current) button.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

function showTitle() {
  if (!me.room) return;
  const missed = [...unread.values()].reduce((sum, count) => sum + count, 0);
  document.title = `${missed ? `(${missed}) ` : ""}${me.room} · Small Talk`;
}

socket.on("unread", countUnread);

function countUnread(room) {
  unread.set(room, (unread.get(room) ?? 0) + 1);
  markRooms();
  showTitle();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !unread.delete(me.room)) return;
  markRooms();
  showTitle();
});

socket.on("rooms", (rooms) => {
  const focused = page.rooms.querySelector(":focus")?.value;
  page.rooms.replaceChildren(...rooms.map(roomItem));
  markRooms();
  if (focused) page.rooms.querySelector(`button[value="${CSS.escape(focused)}"]`)?.focus();
});

function roomItem({ name, online }) {
  const button = make("button", { value: name });
  const mark = make("span", { className: "unread" });
  mark.append("", make("span", { className: "hidden", textContent: " unread" }));
  const count = make("span", { className: "count", textContent: online || "" });
  if (online) count.append(make("span", { className: "hidden", textContent: " online" }));
  button.append(make("bdi", { className: "name", textContent: name }), " ", mark, " ", count);
  button.addEventListener("click", () => go(name));
  return inItem(button);
}

page["new-room"].addEventListener("click", () => page["room-dialog"].showModal());

page["room-dialog"].addEventListener("close", () => {
  if (page["room-dialog"].returnValue === "open") go(page["room-name"].value);
  page["room-form"].reset();
  page["room-hint"].textContent = "";
  page["room-dialog"].returnValue = "";
  page.text.focus();
});

// --- People ----------------------------------------------------------------------------------

socket.on("people", showPeople);

function showPeople(people) {
  me.people = people;
  page["people-title"].textContent = `Online · ${people.length}`;
  page.people.replaceChildren(...people.map(personItem));
  typing.keep(people);
}

function personItem(nickname) {
  const item = inItem(avatar(nickname), make("bdi", { textContent: nickname }));
  if (nickname === me.nickname) item.append(make("span", { className: "you", textContent: "you" }));
  return item;
}

// --- Messages --------------------------------------------------------------------------------

page.composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = page.text.value.trim();
  if (!text || !me.room) return;
  page.text.value = "";
  typing.stop();
  page.text.focus();
  send(text);
});

page.text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  page.composer.requestSubmit();
});

function send(text) {
  const message = { key: randomKey(), room: me.room, nickname: me.nickname, text, at: Date.now() / 1000 };
  message.item = messageItem(message);
  message.item.append(deliveryNote("Waiting for the connection…"));
  append(message.item, true);
  outbox.set(message.key, message);
  deliver(message);
}

/** Send an own message that is in the log; without a connection it waits until the room is joined again. */
async function deliver(message) {
  if (!me.joined) return;
  note(message, deliveryNote("Sending…"));
  const { error, lost } = await request("message", message.text, message.key);
  if (lost) return note(message, deliveryNote("Waiting for the connection…"));
  if (error) return note(message, retryNote(message, error), true);
  settle(message.key);
}

/** Take note that a message is delivered; return whether it is in the log already. */
function settle(key) {
  const message = outbox.get(key);
  if (message) note(message, deliveryNote("Delivered"));
  outbox.delete(key);
  return Boolean(page.log.querySelector(`[data-key="${CSS.escape(key)}"]`));
}

function note(message, text, failed = false) {
  message.item.classList.toggle("failed", failed);
  message.item.lastChild.replaceWith(text);
}

function deliveryNote(text) {
  return make("span", { className: "delivery", textContent: text });
}

function retryNote(message, error) {
  const retry = make("button", { className: "quiet", textContent: "Try again" });
  retry.addEventListener("click", () => {
    append(message.item, true);
    deliver(message);
  });
  const text = deliveryNote(`${error} `);
  text.append(retry);
  return text;
}

socket.on("message", (message) => {
  typing.set(message.nickname, false);
  append(messageItem(message));
  if (document.hidden) countUnread(me.room);
});

socket.on("notice", addNotice);

function addNotice(text) {
  append(make("li", { className: "notice", textContent: text, dir: "auto" }));
}

/** A notice about the connection of this page. */
function addStateNotice(text) {
  append(make("li", { className: "notice state", textContent: text }));
}

function messageItem({ nickname, text, at, key }) {
  const head = make("p", { className: "head" });
  const time = make("time", { textContent: clock.format(at * 1000), dateTime: new Date(at * 1000).toISOString() });
  head.append(make("bdi", { className: "author", textContent: nickname }), " ", time);
  const item = inItem(avatar(nickname), head, make("p", { className: "text", textContent: text, dir: "auto" }));
  item.className = nickname === me.nickname ? "message own" : "message";
  Object.assign(item.dataset, { author: nickname, key });
  return item;
}

let following = true; // whether the end of the log is in view

function append(item, follow = following) {
  item.classList.toggle("follows", page.log.lastElementChild?.dataset.author === item.dataset.author);
  page.log.append(item);
  if (follow) scrollToEnd();
  else page.latest.hidden = false;
}

function scrollToEnd() {
  page.log.scrollTop = page.log.scrollHeight;
}

page.latest.addEventListener("click", scrollToEnd);

page.log.addEventListener("scroll", () => {
  const { scrollHeight, scrollTop, clientHeight } = page.log;
  following = scrollHeight - scrollTop - clientHeight < 80;
  if (following) page.latest.hidden = true;
});

new ResizeObserver(() => following && scrollToEnd()).observe(page.log);

// --- Helpers ---------------------------------------------------------------------------------

/** Emit an event and wait for its acknowledgement; without one, return an error, or that the connection is lost. */
async function request(event, ...args) {
  try {
    return await socket.timeout(5000).emitWithAck(event, ...args);
  } catch {
    return socket.connected ? { error: "Not delivered." } : { lost: true };
  }
}


limit(page.nickname, page.refusal);
limit(page["room-name"], page["room-hint"]);
if (me.nickname) {
  page.welcome.hidden = true; // the page was loaded again
  enter();
}
