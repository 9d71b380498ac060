// One connection to the server (app.py), one room at a time.
// Text from other people is inserted through textContent only.
"use strict";

const page = Object.fromEntries([...document.querySelectorAll("[id]")].map((element) => [element.id, element]));
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

const me = {
  nickname: "",
  // Tells the server that a reconnection comes from this page and may take over its nickname.
  key: Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join(""),
  room: new URLSearchParams(location.search).get("room") || document.body.dataset.firstRoom,
  joined: false,
  people: [],
};

const socket = io({ autoConnect: false, auth: (send) => send({ nickname: me.nickname, key: me.key }) });

// --- Connection ------------------------------------------------------------------------------

page.welcome.addEventListener("submit", (event) => {
  event.preventDefault();
  me.nickname = page.nickname.value;
  page.refusal.textContent = "";
  page.enter.disabled = true;
  showState("connecting", "Connecting…");
  socket.connect();
});

socket.on("connect", () => {
  showState("connected", "Connected");
  showChat(true);
  join(me.room);
});

socket.on("connect_error", (error) => {
  if (socket.active) {
    showState("reconnecting", "Reconnecting…");
  } else {
    leaveChat(error.message); // A middleware on the server refused the client.
  }
});

socket.on("disconnect", (reason) => {
  setJoined(false);
  if (socket.active) {
    showState("reconnecting", "Reconnecting…");
  } else {
    leaveChat(`The connection was closed (${reason}).`);
  }
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
  showState("offline", "Not connected");
  showChat(false);
  page.refusal.textContent = message;
  page.nickname.select();
}

// --- Rooms -----------------------------------------------------------------------------------

async function join(name) {
  const answer = await request("join", name);
  if (answer.error) return addNotice(answer.error);
  const undelivered = answer.room === me.room ? page.log.querySelectorAll(".failed") : [];
  Object.assign(me, { nickname: answer.nickname, room: answer.room });
  page["room-title"].textContent = answer.room;
  document.title = `${answer.room} · Small Talk`;
  history.replaceState(null, "", `?room=${encodeURIComponent(answer.room.slice(1))}`);
  page.log.replaceChildren();
  for (const message of answer.history) append(messageItem(message), true);
  for (const item of undelivered) append(item, true);
  showPeople(me.people); // again, now that the nickname is known
  for (const nickname of typists.keys()) setTypist(nickname, false);
  setJoined(true);
}

function setJoined(joined) {
  me.joined = joined;
  page.send.disabled = !joined;
  showTypists();
  markRoom();
}

function markRoom() {
  for (const button of page.rooms.querySelectorAll("button")) {
    const current = button.value === me.room;
    button.setAttribute("aria-current", String(current));
    if (current) button.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

socket.on("rooms", (rooms) => {
  const focused = page.rooms.querySelector(":focus")?.value;
  page.rooms.replaceChildren(...rooms.map(roomItem));
  markRoom();
  if (focused) page.rooms.querySelector(`button[value="${CSS.escape(focused)}"]`)?.focus();
});

function roomItem({ name, online }) {
  const button = make("button", { value: name });
  const count = make("span", { className: "count", textContent: online });
  count.append(make("span", { className: "hidden", textContent: " online" }));
  button.append(make("span", { className: "name", textContent: name }), count);
  button.addEventListener("click", () => (name !== me.room || !me.joined) && join(name));
  return inItem(button);
}

page["new-room"].addEventListener("click", () => page["room-dialog"].showModal());

page["room-dialog"].addEventListener("close", () => {
  if (page["room-dialog"].returnValue === "open") join(page["room-name"].value);
  page["room-form"].reset();
  page["room-dialog"].returnValue = "";
  page.text.focus();
});

// --- People ----------------------------------------------------------------------------------

socket.on("people", showPeople);

function showPeople(people) {
  me.people = people;
  page["people-title"].textContent = `Online · ${people.length}`;
  page.people.replaceChildren(...people.map(personItem));
  for (const nickname of typists.keys()) {
    if (!people.includes(nickname)) setTypist(nickname, false);
  }
}

function personItem(nickname) {
  const item = inItem(avatar(nickname), make("bdi", { textContent: nickname }));
  if (nickname === me.nickname) item.append(make("span", { className: "you", textContent: "you" }));
  return item;
}

function avatar(nickname) {
  const hue = [...nickname].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
  const element = make("span", { className: "avatar", textContent: [...nickname][0].toUpperCase() });
  element.style.setProperty("--hue", hue);
  element.setAttribute("aria-hidden", "true");
  return element;
}

// --- Messages --------------------------------------------------------------------------------

page.composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = page.text.value.trim();
  if (!text || !me.joined) return;
  page.text.value = "";
  stopTyping();
  page.text.focus();
  send(text);
});

page.text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  page.composer.requestSubmit();
});

async function send(text) {
  const item = messageItem({ nickname: me.nickname, text, at: Date.now() / 1000 });
  item.append(deliveryNote("Sending…"));
  append(item, true);
  const { error } = await request("message", text);
  item.classList.toggle("failed", Boolean(error));
  item.lastChild.replaceWith(error ? retryNote(item, text, error) : deliveryNote("Delivered"));
}

function deliveryNote(text) {
  return make("span", { className: "delivery", textContent: text });
}

function retryNote(item, text, error) {
  const retry = make("button", { className: "quiet", textContent: "Try again" });
  retry.addEventListener("click", () => {
    item.remove();
    send(text);
  });
  const note = deliveryNote(`${error} `);
  note.append(retry);
  return note;
}

socket.on("message", (message) => {
  setTypist(message.nickname, false);
  append(messageItem(message));
});

socket.on("notice", addNotice);

function addNotice(text) {
  append(make("li", { className: "notice", textContent: text, dir: "auto" }));
}

function messageItem({ nickname, text, at }) {
  const head = make("p", { className: "head" });
  const time = make("time", { textContent: clock.format(at * 1000), dateTime: new Date(at * 1000).toISOString() });
  head.append(make("bdi", { className: "author", textContent: nickname }), " ", time);
  const item = inItem(avatar(nickname), head, make("p", { className: "text", textContent: text, dir: "auto" }));
  item.className = nickname === me.nickname ? "message own" : "message";
  item.dataset.author = nickname;
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

// --- Typing ----------------------------------------------------------------------------------

const typists = new Map(); // nickname -> timer that removes it if the end of typing is lost
const typing = { timer: null, told: 0 };

page.text.addEventListener("input", () => {
  if (!page.text.value.trim()) return stopTyping();
  if (Date.now() - typing.told > 4000) {
    typing.told = Date.now();
    socket.volatile.emit("typing", true);
  }
  clearTimeout(typing.timer);
  typing.timer = setTimeout(stopTyping, 3000);
});

function stopTyping() {
  clearTimeout(typing.timer);
  if (typing.told) socket.volatile.emit("typing", false);
  typing.told = 0;
}

socket.on("typing", setTypist);

function setTypist(nickname, active) {
  clearTimeout(typists.get(nickname));
  typists.delete(nickname);
  if (active) typists.set(nickname, setTimeout(() => setTypist(nickname, false), 6000));
  showTypists();
}

function showTypists() {
  const names = [...typists.keys()];
  const who = names.length > 2 ? "Several people" : names.join(" and ");
  page.typing.textContent = names.length ? `${who} ${names.length > 1 ? "are" : "is"} typing…` : "";
}

// --- Helpers ---------------------------------------------------------------------------------

/** Emit an event and wait for its acknowledgement; a lost one becomes an answer with an error. */
async function request(event, ...args) {
  try {
    return await socket.timeout(5000).emitWithAck(event, ...args);
  } catch {
    return { error: "Not delivered." };
  }
}

function make(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

function inItem(...children) {
  const item = make("li");
  item.append(...children);
  return item;
}
