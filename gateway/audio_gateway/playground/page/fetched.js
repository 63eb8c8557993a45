// Sound that the server keeps: fetched when it is asked for, since a key has to be sent, then played or saved.

import { request } from "./api.js";
import { attempt, button, download, element, setAudio } from "./dom.js";

/**
 * A player, and the buttons that play and save: `url` is what is played, `file` answers with the name to save it by.
 * `mediaType` is that of the sound, where it is known before.
 */
export function fetchedSound({ url, file, title, mediaType = "" }) {
  const player = element("audio", { controls: true, hidden: true });
  player.setAttribute("aria-label", `Sound of: ${title}`);
  const trouble = element("p", { className: "status" });
  trouble.setAttribute("role", "status");
  const play = button("Play", () => attempt(start), { ariaLabel: `Play: ${title}` });
  const save = button("Download", () => attempt(() => saveFile(file)), { ariaLabel: `Download: ${title}` });
  const start = async () => {
    const sound = await (await request(url)).blob();
    mediaType = sound.type;
    setAudio(player, sound);
    player.focus();
    play.hidden = true; // the player has a button of its own
    player.play().catch(() => {}); // a browser may want a click; what it cannot play, onerror tells
  };
  player.onerror = () => {
    player.hidden = play.hidden = true;
    trouble.textContent = `This browser cannot play ${mediaType}; download it.`;
    if (document.activeElement === document.body) save.focus();
  };
  if (mediaType && !player.canPlayType(mediaType)) player.onerror();
  return { shown: [player, trouble], actions: [play, save] };
}

async function saveFile(url) {
  const answer = await request(url);
  const [, name] = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition"));
  download(await answer.blob(), name);
}
