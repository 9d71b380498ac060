// Who is typing: tells the room about this page, and shows the others.

/** Watch a field, and show in a line who else is typing. */
export function showTyping(socket, field, line) {
  const typists = new Map(); // nickname -> timer that removes it if the end of typing is lost
  let timer = null;
  let told = 0; // when the room was last told

  field.addEventListener("input", () => {
    if (!field.value.trim()) return stop();
    if (Date.now() - told > 4000) {
      told = Date.now();
      socket.volatile.emit("typing", true);
    }
    clearTimeout(timer);
    timer = setTimeout(stop, 3000);
  });

  function stop() {
    clearTimeout(timer);
    if (told) socket.volatile.emit("typing", false);
    told = 0;
  }

  function set(nickname, active) {
    clearTimeout(typists.get(nickname));
    typists.delete(nickname);
    if (active) typists.set(nickname, setTimeout(() => set(nickname, false), 6000));
    const names = [...typists.keys()];
    const who = names.length > 2 ? "Several people" : names.join(" and ");
    line.textContent = names.length ? `${who} ${names.length > 1 ? "are" : "is"} typing…` : "";
  }

  /** Forget all but these. */
  function keep(people) {
    for (const nickname of typists.keys()) {
      if (!people.includes(nickname)) set(nickname, false);
    }
  }

  socket.on("typing", set);
  return { set, stop, keep };
}
