// A TCP proxy that can lose its connections, as a network does.

import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Proxy {
  static async to(url) {
    const proxy = new Proxy(new URL(url).port);
    proxy.server.listen(0, "127.0.0.1");
    await once(proxy.server, "listening");
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
    return proxy;
  }

  constructor(port) {
    this.pairs = new Set();
    this.server = createServer((near) => {
      const far = connect(port, "127.0.0.1");
      this.pairs.add([near, far]);
      for (const end of [near, far]) end.on("error", () => {});
      near.pipe(far).pipe(near);
    });
  }

  // Both sides notice.
  cut() {
    for (const pair of this.pairs) for (const end of pair) end.destroy();
    this.pairs.clear();
  }

  // The browser notices; to the server the connections still look open.
  cutNearSide() {
    for (const [near, far] of this.pairs) {
      far.unpipe(near);
      far.resume();
      near.destroy();
    }
  }

  // Nobody gets through; new connections are refused.
  refuse() {
    this.port = this.server.address().port;
    this.server.close();
  }

  async accept() {
    this.server.listen(this.port, "127.0.0.1");
    await once(this.server, "listening");
  }

  async close() {
    this.cut();
    this.server.close();
  }
}
