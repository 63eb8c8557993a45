// Speaks a text, and plays it while it comes.

import { pieces, post } from "./api.js";
import { fillVoices } from "./catalogue.js";
import { byId, complain, milliseconds, seconds } from "./dom.js";
import * as jobs from "./jobs.js";
import { DEFAULT_RATE } from "./pcm.js";
import * as snippets from "./snippets.js";
import { SoundView } from "./sound.js";

/** What the fields say, as the body of POST /v1/audio/speech. */
export function speechRequest() {
  const voice = byId("speak-voice").value;
  const speed = Number(byId("speak-speed").value);
  return {
    model: byId("speak-model").value,
    ...(voice && { voice }),
    input: byId("speak-text").value,
    response_format: byId("speak-format").value,
    ...(speed !== 1 && { speed }),
  };
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
