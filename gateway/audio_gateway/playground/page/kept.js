// What the server has kept of past requests: listed, played, downloaded, shown as curl, and forgotten.

import { json, request } from "./api.js";
import { attempt, button, byId, element, releaseAudio, seconds } from "./dom.js";
import { fetchedSound } from "./fetched.js";
import * as snippets from "./snippets.js";

const PATH = "/v1/past-requests";
const PREVIEW_CHARACTERS = 200;
const BEGINNING_CHARACTERS = 100; // what a server keeps of each text, unless it keeps all
const KINDS = {
  Synthesize: "Speech",
  StreamingSynthesize: "Live speech",
  Transcribe: "Transcript",
  TranscribeUpload: "Transcript",
  StreamingTranscribe: "Live captions",
  Converse: "Conversation",
};
const STATES = { OK: "done", CANCELLED: "stopped" };
const PROBLEMS = { TOO_LARGE: "it was too large", STORAGE_FAILED: "it could not be written" };

let next = null;

export function startKept() {
  byId("kept-refresh").onclick = () => attempt(showKept);
  byId("kept-more").onclick = () => attempt(showMore);
}

/** The latest requests, in place of what was shown before. */
export async function showKept() {
  const page = await json(PATH);
  const nothing = page.is_kept ? [element("li", { textContent: "Nothing yet." })] : [];
  releaseAudio(byId("kept-list"));
  byId("kept-list").replaceChildren(...(page.data.length ? page.data.map(entry) : nothing));
  byId("kept-off").hidden = page.is_kept;
  leadOn(page);
}

async function showMore() {
  const after = next;
  const page = await json(`${PATH}?after=${encodeURIComponent(after)}`);
  if (after !== next) return; // something else was shown meanwhile
  const entries = page.data.map(entry);
  byId("kept-list").append(...entries);
  leadOn(page);
  entries[0]?.querySelector("button").focus();
}

function leadOn(page) {
  next = page.next;
  byId("kept-rest").hidden = !next;
}

function entry(past) {
  const state = STATES[past.status] ?? "failed";
  const text = preview(past);
  const when = new Date(1000 * past.created).toLocaleString();
  const sound = past.audio_seconds_out || past.audio_seconds_in;
  const figures = sound ? `${seconds(sound)} of sound in ${seconds(past.seconds)}` : seconds(past.seconds);
  const why = state === "failed" && (past.reason || past.status);
  const facts = [when, past.model, past.voice, figures, why].filter(Boolean).join(" · ");
  const item = element("li", {},
    element("div", { className: "row" }, element("strong", { textContent: KINDS[past.method] ?? past.method }),
      element("span", { className: state === "failed" ? "badge bad" : "badge", textContent: state }),
      element("span", { className: "hint", textContent: facts })),
    element("p", { textContent: text }));
  const title = text || when;
  const { shown, actions } = past.audio ? sounding(past, title) : silent(past);
  const examples = snippets.pastRequest(past);
  if (examples) actions.push(button("Show as curl", () => snippets.reveal(examples), { ariaLabel: `Show as curl: ${title}` }));
  actions.push(button("Delete", () => remove(past, item), { ariaLabel: `Delete: ${title}` }));
  item.append(...shown, element("div", { className: "row" }, ...actions));
  return item;
}

function preview({ text, is_whole_text: isWhole }) {
  const letters = [...text.trim()];
  const cut = letters.length > PREVIEW_CHARACTERS || (!isWhole && [...text].length >= BEGINNING_CHARACTERS);
  return letters.slice(0, PREVIEW_CHARACTERS).join("") + (cut ? "…" : "");
}

function silent({ audio_problem: problem }) {
  const said = `Its sound was not kept: ${PROBLEMS[problem] ?? problem}.`;
  return { shown: problem ? [element("p", { className: "hint", textContent: said })] : [], actions: [] };
}

function sounding({ audio }, title) {
  return fetchedSound({ url: audio.url, file: `${audio.url}?download=true`, title, mediaType: audio.media_type });
}

function remove(past, item) {
  if (!confirm("Delete this request, its text and its sound from the server?")) return;
  attempt(async () => {
    await request(`${PATH}/${past.id}`, { method: "DELETE" });
    const near = item.nextElementSibling ?? item.previousElementSibling;
    releaseAudio(item);
    item.remove();
    (near?.querySelector(".row > button:last-child") ?? byId("kept-refresh")).focus();
    if (!near) await showKept();
  });
}
