// The transport of the connection and the time of a round trip to a handler and back.

const PERIOD = 5000; // milliseconds

/** Show both in an element, while there is a connection. */
export function showWire(socket, element) {
  async function measure() {
    if (!socket.connected || document.hidden) return;
    const began = performance.now();
    const answered = await socket.timeout(PERIOD).emitWithAck("echo").catch(() => false);
    show(answered ? performance.now() - began : 0);
  }

  function show(time = 0) {
    element.hidden = !socket.connected;
    if (!socket.connected) return;
    const transport = socket.io.engine.transport.name;
    element.textContent = time ? `${transport} · ${time.toFixed(time < 10 ? 1 : 0)} ms` : transport;
  }

  socket.on("connect", measure);
  socket.on("disconnect", () => show());
  socket.io.on("open", () => socket.io.engine.on("upgrade", measure));
  setInterval(measure, PERIOD);
}
