// A window on the chat: what a person does in it, what can be seen in it, and
// what went wrong behind it. Every wait is for something to be seen, with a deadline.

import assert from "node:assert/strict";
import { ChatServer } from "./server.mjs";

const PATIENCE = 8_000;

export class Window {
  constructor(page, url) {
    this.page = page;
    this.origin = new URL(url).origin;
    this.requests = []; // the address of each
    this.problems = []; // console errors, exceptions, failed requests
    this.tolerated = []; // patterns of those that may happen
    this.frames = []; // of every WebSocket: { sent: boolean, text: string }
    this.status = page.getByRole("status");
    this.log = page.getByRole("log", { name: "Messages" });
    this.refusal = page.getByRole("alert");
    this.message = page.getByRole("textbox", { name: "Message" });
    page.setDefaultTimeout(PATIENCE);
    this.#watch(page);
  }

  static async open(browser, url, options = {}) {
    const context = await browser.newContext(options);
    const window = new Window(await context.newPage(), url);
    await window.page.goto(url);
    return window;
  }

  #watch(page) {
    page.on("pageerror", (error) => this.problems.push(`exception: ${error.message}`));
    page.on("console", (line) => {
      if (line.type() === "error") this.problems.push(`console: ${line.text()}`);
    });
    page.on("request", (request) => this.requests.push(request.url()));
    page.on("requestfailed", (request) => {
      this.problems.push(`failed: ${request.url()} ${request.failure().errorText}`);
    });
    page.on("response", (response) => {
      const request = `${response.request().method()} ${response.url()}`;
      if (response.status() >= 400) this.problems.push(`${response.status()}: ${request}`);
    });
    page.on("websocket", (socket) => {
      socket.on("framesent", ({ payload }) => this.frames.push({ sent: true, text: `${payload}` }));
      socket.on("framereceived", ({ payload }) => {
        this.frames.push({ sent: false, text: `${payload}` });
      });
    });
  }

  // --- What a person does ---

  async choose(nickname) {
    await this.page.getByRole("textbox", { name: "Nickname" }).fill(nickname);
    await this.page.getByRole("button", { name: "Join" }).click();
  }

  async enter(nickname) {
    await this.choose(nickname);
    await this.sees(this.page.getByRole("button", { name: "Send", disabled: false }));
  }

  async say(text) {
    await this.message.fill(text);
    await this.message.press("Enter");
  }

  // Says something that the others read.
  async says(text, ...others) {
    await this.say(text);
    for (const other of others) await other.reads(text);
  }

  async switchTo(room) {
    await this.page.locator(`#rooms button[value="${room}"]`).click();
    await this.isIn(room);
  }

  async reload() {
    await this.page.reload();
    await this.sees(this.page.getByRole("button", { name: "Send", disabled: false }));
  }

  // The client of a refused connection polls and closes at once. Where the close wins that
  // race, the server no longer knows the session of the poll: 400, as with any server.
  tolerateRefusal() {
    this.tolerated.push(/^400: GET .*&transport=polling&.*&sid=/, /^console: .* status of 400 /);
  }

  // While the server is away, connections are refused, and what was under way fails.
  tolerateRestart() {
    this.tolerateRefusal();
    this.tolerated.push(/^failed: .* net::ERR_/, /^console: .* net::ERR_/, /^503: /, / status of 503 /);
  }

  async openRoom(name) {
    await this.page.getByRole("button", { name: "New room" }).click();
    await this.page.getByRole("textbox", { name: "Room name" }).fill(name);
    await this.page.keyboard.press("Enter");
  }

  // --- What can be seen ---

  async sees(locator) {
    await locator.waitFor();
  }

  async sawLast(locator) {
    await locator.waitFor({ state: "hidden" });
  }

  isIn(room) {
    return this.sees(this.page.getByRole("heading", { name: room, exact: true }));
  }

  // Exactly these people, in this order.
  async listsAsOnline(...nicknames) {
    const shown = () => this.page.locator("#people bdi").allTextContents();
    await this.until(async () => `${await shown()}` === `${nicknames}`, async () =>
      `${nicknames} online, but ${await shown()}`,
    );
  }

  reads(text) {
    return this.sees(this.log.getByText(text, { exact: true }));
  }

  seesDelivered(text) {
    const item = this.log.getByRole("listitem").filter({ hasText: text });
    return this.sees(item.getByText("Delivered"));
  }

  hasUnread(room, count) {
    const button = this.page.locator(`#rooms button[value="${room}"]`);
    return this.sees(button.getByText(`${count} unread`));
  }

  // What has the focus, as a screen reader names it, after checking that it is seen to have it.
  async focused() {
    const { name, outline } = await this.page.evaluate(() => {
      const element = document.activeElement;
      const label = element.labels?.[0]?.textContent ?? element.getAttribute("aria-label");
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return {
        name: element === document.body ? "" : (label ?? element.textContent).trim(),
        outline: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
      };
    });
    assert.ok(!name || outline, `${name} shows its focus`);
    return name;
  }

  focuses(name) {
    return this.until(
      async () => (await this.focused()) === name,
      async () => `the focus on ${name}, but on ${await this.focused()}`,
    );
  }

  // The contrast of a text to what is behind it, as WCAG counts it.
  contrast(selector) {
    return this.page.locator(selector).first().evaluate((element) => {
      const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
      const paint = (color) => {
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
      };
      const luminance = () => {
        const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data].map((byte) =>
          byte <= 10 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4,
        );
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
      };
      const layers = [];
      for (let node = element; node; node = node.parentElement) {
        layers.unshift(getComputedStyle(node).backgroundColor);
      }
      layers.forEach(paint);
      const behind = luminance();
      paint(getComputedStyle(element).color);
      const [darker, lighter] = [behind, luminance()].sort((one, other) => one - other);
      return (lighter + 0.05) / (darker + 0.05);
    });
  }

  isTyping(nickname) {
    return this.page.getByText(`${nickname} is typing…`);
  }

  hasState(state) {
    return this.sees(this.page.locator(`[role=status][data-state=${state}]`));
  }

  // --- What goes over the wire ---

  // The end of the handshake of an upgrade: "3probe" came, and "5" was answered.
  isUpgraded() {
    return this.#frame("an upgrade to WebSocket", ({ sent, text }) => sent && text === "5");
  }

  sendsInFrame(part) {
    return this.#frame(`${part} sent`, ({ sent, text }) => sent && text.includes(part));
  }

  receivesInFrame(part) {
    return this.#frame(`${part} received`, ({ sent, text }) => !sent && text.includes(part));
  }

  #frame(what, matches) {
    return this.until(
      () => this.frames.some(matches),
      () => `${what}; frames: ${JSON.stringify(this.frames.slice(-20))}`,
    );
  }

  // Looks again after every frame of the page until it is true, or too late.
  async until(probe, describe) {
    const deadline = Date.now() + PATIENCE;
    while (!(await probe())) {
      assert.ok(Date.now() < deadline, `not seen: ${await describe()}`);
      await this.page.evaluate(() => new Promise(requestAnimationFrame));
    }
  }

  hadNoProblem() {
    const serious = (problem) => !this.tolerated.some((pattern) => pattern.test(problem));
    assert.deepEqual(this.problems.filter(serious), []);
    const foreign = this.requests.filter((address) => new URL(address).origin !== this.origin);
    assert.deepEqual(foreign, [], "requests to other hosts");
  }

  close() {
    return this.page.context().close();
  }
}

/** The windows of one story; nicknames and rooms are its own, so no story meets another. */
export class Stage {
  static #count = 0;

  constructor(browser, url) {
    Object.assign(this, { browser, url, number: ++Stage.#count, windows: [], proxies: [] });
    this.ada = `Ada ${this.number}`;
    this.grace = `Grace ${this.number}`;
    this.room = `#story-${this.number}`;
  }

  async open(url = this.url, options = {}) {
    const window = await Window.open(this.browser, `${url}/?room=${this.room.slice(1)}`, options);
    this.windows.push(window);
    return window;
  }

  // A server of this story alone.
  async startServer() {
    this.server = await ChatServer.start();
    this.url = this.server.url;
    return this.server;
  }

  // Two windows, whose people have chosen their names and see each other.
  async openBoth({ through = this.url } = {}) {
    const [ada, grace] = await Promise.all([this.open(through), this.open()]);
    await ada.enter(this.ada);
    await grace.enter(this.grace);
    await ada.listsAsOnline(this.ada, this.grace);
    return [ada, grace];
  }

  async close() {
    for (const window of this.windows) window.hadNoProblem();
    await this.abandon();
  }

  async abandon() {
    for (const window of this.windows) await window.close();
    for (const proxy of this.proxies) await proxy.close();
    await this.server?.close();
  }

  async describe() {
    const views = this.windows.map(async ({ page, problems }) => {
      const text = await page.locator("body").innerText().catch((error) => error.message);
      return `--- a window, problems: ${JSON.stringify(problems)}\n${text}`;
    });
    return (await Promise.all(views)).join("\n");
  }
}
