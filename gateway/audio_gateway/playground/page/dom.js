// Small helpers for the document.

const TAKEN_MILLISECONDS = 60_000; // a busy browser takes hold of a download late, and tells nobody when

export const byId = (id) => document.getElementById(id);

/** An element with these properties and children; text becomes text, never markup. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** A button that does something. */
export function button(text, onclick, properties = {}) {
  return element("button", { type: "button", textContent: text, onclick, ...properties });
}

/** Save `blob` as a file. */
export function download(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), TAKEN_MILLISECONDS);
}

/** Give `choose` the file that is chosen in `field` or dropped on `place`. */
export function takeFiles(field, place, choose) {
  const take = ([file]) => file && choose(file);
  field.onchange = () => take(field.files);
  place.ondragover = (event) => {
    event.preventDefault();
    place.classList.add("over");
  };
  place.ondragleave = () => place.classList.remove("over");
  place.ondrop = (event) => {
    event.preventDefault();
    place.classList.remove("over");
    take(event.dataTransfer.files);
  };
}

/** Let `player` play `blob`, in place of what it had. */
export function setAudio(player, blob) {
  const before = player.src;
  player.src = URL.createObjectURL(blob); // first: a player that still reads its sound may not lose it
  if (before) URL.revokeObjectURL(before);
  player.hidden = false;
}

/** Let go of what the players in `place` had from setAudio. */
export function releaseAudio(place) {
  for (const player of place.querySelectorAll("audio")) URL.revokeObjectURL(player.src);
}

export const milliseconds = (value) => `${Math.round(value)} ms`;
export const seconds = (value) => `${value.toFixed(2)} s`;

/** Say what went wrong where everybody notices; an empty message takes it back. */
export function complain(message) {
  const place = byId("alert");
  place.textContent = message;
  place.hidden = !message;
}

/** Do something, and say what went wrong if it did. */
export async function attempt(work) {
  complain("");
  try {
    await work();
  } catch (error) {
    complain(error.message);
  }
}
