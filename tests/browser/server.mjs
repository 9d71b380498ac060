// The example chat in a process of its own, which can be stopped and started again on its port.
//
// PYTHON names the interpreter.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const APP = fileURLToPath(new URL("../../examples/chat/app.py", import.meta.url));

export class ChatServer {
  static async start() {
    const probe = createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    const { port } = probe.address();
    probe.close();
    await once(probe, "close");
    const server = new ChatServer(port);
    await server.start();
    return server;
  }

  constructor(port) {
    Object.assign(this, { port, url: `http://127.0.0.1:${port}`, process: null });
  }

  async start() {
    const options = { stdio: ["ignore", "inherit", "pipe"] };
    this.process = spawn(process.env.PYTHON, ["-u", APP, "--port", `${this.port}`], options);
    let log = "";
    const banner = new Promise((resolve, reject) => {
      this.process.stderr.setEncoding("utf8").on("data", (text) => {
        log += text;
        if (log.includes("Running on")) resolve();
      });
      this.process.on("exit", () => reject(new Error(`the chat has ended:\n${log}`)));
    });
    await banner;
  }

  async stop() {
    const ended = once(this.process, "exit");
    this.process.kill("SIGTERM");
    await ended;
  }

  async close() {
    if (this.process.exitCode === null) await this.stop();
  }
}
