// Elements of the page, and what fields accept. Knows nothing of the connection.

const segmenter = Intl.Segmenter && new Intl.Segmenter();

export function make(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

export function inItem(...children) {
  const item = make("li");
  item.append(...children);
  return item;
}

export function avatar(nickname) {
  const hue = [...nickname].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
  const element = make("span", { className: "avatar", textContent: characters(nickname)[0].toUpperCase() });
  element.style.setProperty("--hue", hue);
  element.setAttribute("aria-hidden", "true");
  return element;
}

export function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("");
}

/** The characters as a reader counts them: a joined emoji is one. */
export function characters(text) {
  return segmenter ? Array.from(segmenter.segment(text), ({ segment }) => segment) : [...text];
}

/** Cut what is typed or pasted into a field at a whole character. */
export function limit(field, hint) {
  const most = Number(field.dataset.most);
  field.addEventListener("input", ({ isComposing }) => !isComposing && cut());
  field.addEventListener("compositionend", cut);

  function cut() {
    const typed = characters(field.value);
    hint.textContent = typed.length > most ? `At most ${most} characters.` : "";
    if (typed.length > most) field.value = typed.slice(0, most).join("");
  }
}
