// A window on the chat: what a person does in it, what can be seen in it, and
// what went wrong behind it. Every wait is for something to be seen, with a deadline.

import assert from "node:assert/strict";

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

  static async open(browser, url) {
    const context = await browser.newContext();
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

  async switchTo(room) {
    await this.page.locator(`#rooms button[value="${room}"]`).click();
    await this.isIn(room);
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

  async open(url = this.url) {
    const window = await Window.open(this.browser, `${url}/?room=${this.room.slice(1)}`);
    this.windows.push(window);
    return window;
  }

  // Two windows, whose people have chosen their names and see each other.
  async openBoth({ through = this.url } = {}) {
    const [ada, grace] = [await this.open(through), await this.open()];
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
  }

  async describe() {
    const views = this.windows.map(async ({ page, problems }) => {
      const text = await page.locator("body").innerText().catch((error) => error.message);
      return `--- a window, problems: ${JSON.stringify(problems)}\n${text}`;
    });
    return (await Promise.all(views)).join("\n");
  }
}
