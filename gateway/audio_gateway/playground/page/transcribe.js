// Transcribes a file, and shows the text as it comes.

import { events, request } from "./api.js";
import { button, byId, complain, download, element, seconds, setAudio, takeFiles } from "./dom.js";
import * as jobs from "./jobs.js";
import * as snippets from "./snippets.js";
import { srt, vtt } from "./subtitles.js";

const clock = (at) => `${Math.floor(at / 60)}:${(at % 60).toFixed(2).padStart(5, "0")}`;

export function startTranscribe() {
  const [form, field, drop, start, stop] = ["file-form", "file", "drop", "file-start", "file-stop"].map(byId);
  let controller = null;
  let chosen = null;

  takeFiles(field, drop, (file) => {
    chosen = file;
    start.disabled = false;
    setAudio(byId("file-audio"), file);
    byId("file-status").textContent = `${file.name}, ${Math.ceil(file.size / 1024)} KiB.`;
  });
  byId("show-words").onchange = (event) => byId("file-segments").classList.toggle("with-words", event.target.checked);
  stop.onclick = () => controller?.abort();
  form.onsubmit = async (event) => {
    event.preventDefault();
    controller?.abort();
    const mine = (controller = new AbortController());
    stop.disabled = false;
    await transcribe(chosen, mine.signal);
    if (controller === mine) stop.disabled = true;
  };
}

async function transcribe(file, signal) {
  const [model, language] = [byId("hear-model").value, byId("hear-language").value.trim()];
  complain("");
  snippets.show(snippets.transcription(file.name, model, language));
  byId("file-segments").replaceChildren();
  byId("file-downloads").hidden = true;
  byId("file-status").textContent = "Listening…";
  const job = jobs.begin("Transcript", file.name);
  const began = performance.now();
  const segments = [];
  const ended = (state, said, result = {}) => {
    byId("file-status").textContent = said;
    if (segments.length) offer(file.name, segments);
    return job.end(state, { blob: file, name: file.name, text: whole(segments), ...result });
  };
  try {
    const answer = await request("/v1/audio/transcriptions", { method: "POST", body: form(file, model, language), signal });
    for await (const event of events(answer.body)) {
      if (event.type !== "transcript.text.delta") continue;
      const segment = { text: event.delta, start: event.start, end: event.end, words: event.words };
      segments.push(segment);
      byId("file-segments").append(line(segment));
    }
    const took = seconds((performance.now() - began) / 1000);
    await ended("done", `Done in ${took}.`, { figures: took });
  } catch (error) {
    if (error.name === "AbortError") return ended("stopped", "Stopped.");
    complain(error.message);
    await ended("failed", "It failed.", { text: error.message });
  }
}

function form(file, model, language) {
  const fields = new FormData();
  for (const [name, value] of Object.entries({ model, language, stream: "true" })) if (value) fields.append(name, value);
  for (const kind of ["segment", "word"]) fields.append("timestamp_granularities[]", kind);
  fields.append("file", file);
  return fields;
}

const whole = (segments) => segments.map((segment) => segment.text).join("").trim();

function line(segment) {
  const player = byId("file-audio");
  const from = button(`${clock(segment.start)} – ${clock(segment.end)}`, () => {
    player.currentTime = segment.start;
    player.play();
  }, { title: "Play from here" });
  const words = segment.words.map(({ word, start }) =>
    element("span", {}, element("span", { textContent: word }), element("small", { textContent: clock(start) })));
  return element("li", {}, from, element("div", {},
    element("div", { className: "words" }, ...words), element("p", { textContent: segment.text.trim() })));
}

function offer(name, segments) {
  const base = name.replace(/\.[^.]*$/, "");
  const save = { srt: () => srt(segments), vtt: () => vtt(segments), txt: () => `${whole(segments)}\n` };
  byId("file-downloads").hidden = false;
  for (const [kind, written] of Object.entries(save)) {
    byId(`file-${kind}`).onclick = () => download(new Blob([written()], { type: "text/plain" }), `${base}.${kind}`);
  }
}
