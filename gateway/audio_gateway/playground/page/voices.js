// Lists voices, makes them from samples, and forgets them.

import { json, request } from "./api.js";
import { refresh } from "./catalogue.js";
import { attempt, button, byId, element, seconds, setAudio } from "./dom.js";
import { Microphone } from "./microphone.js";
import { DEFAULT_RATE, wavFile } from "./pcm.js";
import * as snippets from "./snippets.js";

const OPTIONAL = ["language", "transcript", "consent"];

export function startVoices() {
  let sample = null;
  const take = (blob, name) => {
    sample = { blob, name };
    setAudio(byId("sample-audio"), blob);
    byId("voice-create").disabled = false;
  };
  startRecorder(take);
  byId("sample-file").onchange = ({ target }) => target.files[0] && take(target.files[0], target.files[0].name);
  byId("voice-form").onsubmit = async (event) => {
    event.preventDefault();
    byId("voice-create").disabled = true;
    await attempt(() => create(sample));
    byId("voice-create").disabled = false;
  };
  return { onshow: showVoices };
}

function startRecorder(take) {
  const [start, stop, status] = ["record-start", "record-stop", "voice-status"].map(byId);
  let microphone = null;
  let blocks = [];
  start.onclick = () => attempt(async () => {
    blocks = [];
    const onblock = (block) => {
      blocks.push(block);
      status.textContent = `Recording: ${seconds(blocks.length / 10)}`;
    };
    microphone = await Microphone.open({ processed: false, meter: byId("record-level"), onblock });
    [start.disabled, stop.disabled] = [true, false];
    stop.focus();
  });
  stop.onclick = async () => {
    stop.disabled = true;
    await microphone.close();
    start.disabled = false;
    start.focus();
    status.textContent = "Recorded.";
    take(wavFile(blocks, DEFAULT_RATE), "sample.wav");
  };
}

async function create(sample) {
  const name = byId("voice-name").value.trim();
  const body = new FormData();
  body.append("name", name);
  for (const field of OPTIONAL) {
    const value = byId(`voice-${field}`).value.trim();
    if (value) body.append(field, value);
  }
  body.append("audio_sample", sample.blob, sample.name);
  snippets.show(snippets.voice(name, sample.name));
  const voice = await json("/v1/audio/voices", { method: "POST", body });
  byId("voice-status").textContent = `${voice.name} is there; choose it under Speak.`;
  await showVoices();
}

async function showVoices() {
  const { voices } = await refresh();
  const nothing = element("li", { textContent: "No model has voices." });
  byId("voice-list").replaceChildren(...(voices.length ? voices.map(entry) : [nothing]));
}

function entry(voice) {
  const custom = voice.type === "audio_sample";
  const about = [voice.models.join(", "), voice.languages.join(", "), voice.description].filter(Boolean).join(" · ");
  const row = element("div", { className: "row" }, element("strong", { textContent: voice.name }),
    element("span", { className: "badge", textContent: custom ? "custom" : "built in" }));
  if (custom) row.append(button("Delete", () => remove(voice), { ariaLabel: `Delete the voice ${voice.name}` }));
  return element("li", {}, row, element("p", { className: "hint", textContent: about }));
}

function remove(voice) {
  if (!confirm(`Delete the voice ${voice.name}? Its sample goes with it.`)) return;
  attempt(async () => {
    await request(`/v1/audio/voices/${encodeURIComponent(voice.id)}`, { method: "DELETE" });
    byId("voice-status").textContent = `${voice.name} is deleted.`;
    await showVoices();
  });
}
