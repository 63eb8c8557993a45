// Speaks a text, and plays it while it comes.

import { pieces, post } from "./api.js";
import { fillVoices } from "./catalogue.js";
import { byId, complain, milliseconds, seconds } from "./dom.js";
import * as jobs from "./jobs.js";
import { DEFAULT_RATE } from "./pcm.js";
import * as snippets from "./snippets.js";
import { SoundView } from "./sound.js";

/** A text with what the fields of model, voice and speed say, as the body of a request. */
export function toSpeak(input, format) {
  const voice = byId("speak-voice").value;
  const speed = Number(byId("speak-speed").value);
  return {
    model: byId("speak-model").value,
    ...(voice && { voice }),
    input,
    response_format: format,
    ...(speed !== 1 && { speed }),
  };
}

/** What the fields say, as the body of POST /v1/audio/speech. */
export const speechRequest = () => toSpeak(byId("speak-text").value, byId("speak-format").value);

/** Have the fields of model, voice and speed in `place`, around its own field: those that are shown are always the same. */
export function moveFields(place) {
  const [model, voice, speed] = ["speak-model", "speak-voice", "speak-speed"].map((id) => byId(id).closest("div"));
  place.prepend(model, voice);
  place.append(speed);
}

export function startSpeak() {
  const view = new SoundView(byId("speak-sound"));
  const [form, start, stop, speed] = ["speak-form", "speak-start", "speak-stop", "speak-speed"].map(byId);
  let controller = null;

  form.onsubmit = async (event) => {
    event.preventDefault();
    controller?.abort();
    const mine = (controller = new AbortController());
    stop.disabled = false;
    await speak(speechRequest(), view, mine.signal);
    if (controller === mine) stop.disabled = true;
  };
  form.onkeydown = (event) => {
    if (event.key === "Enter" && event.ctrlKey) form.requestSubmit(start);
    if (event.key === "Escape") controller?.abort();
  };
  stop.onclick = () => {
    controller?.abort();
    start.focus();
  };
  speed.oninput = () => (byId("speak-speed-value").textContent = Number(speed.value).toFixed(2));
  byId("speak-model").onchange = fillVoices;
}

async function speak(body, view, signal) {
  complain("");
  snippets.show(snippets.speech(body));
  const job = jobs.begin("Speech", body.input);
  const sound = view.begin(body.response_format, DEFAULT_RATE);
  const stopped = () => job.end("stopped", { blob: sound.stop(), name: "speech.wav" });
  try {
    const answer = await post("/v1/audio/speech", body, signal);
    for await (const piece of pieces(answer.body)) sound.add(piece);
    const { blob, length, total } = await sound.finish();
    const figures = `${seconds(length)} of sound in ${milliseconds(total)}`;
    await job.end("done", { blob, name: `speech.${sound.reader ? "wav" : body.response_format}`, figures });
    signal.onabort = () => sound.stop();
    await sound.heard();
  } catch (error) {
    if (error.name === "AbortError") return stopped();
    sound.fail();
    complain(error.message);
    await job.end("failed", { text: error.message });
  }
}
