// Speaks a text while it is being typed, over a WebSocket.

import { openSocket, said } from "./api.js";
import { byId, complain, seconds } from "./dom.js";
import * as jobs from "./jobs.js";
import { DEFAULT_RATE } from "./pcm.js";
import * as snippets from "./snippets.js";
import { SoundView } from "./sound.js";
import { speechRequest } from "./speak.js";
import { unreachable } from "./words.js";

const PATH = "/v1/audio/speech/stream";
const PROTOCOL = "speech";
const PAUSE_MILLISECONDS = 600; // after which a word counts as complete

/** How much of a text ends with a complete word. */
const complete = (text) => text.search(/\S*$/);

/** What two texts begin with, in complete words. */
function common(one, other) {
  let same = 0;
  while (same < one.length && one[same] === other[same]) same++;
  return same === one.length ? same : complete(one.slice(0, same));
}

/** One stream of live speech. */
class LiveSpeech {
  constructor(view, onend) {
    this.view = view;
    this.onend = onend;
    this.sent = ""; // of what is in the field
    this.text = ""; // all that was sent, as the server counts it
    const { input, ...options } = speechRequest();
    this.start = { type: "start", ...options, response_format: "pcm" };
    this.sound = view.begin("pcm", DEFAULT_RATE);
    this.job = jobs.begin("Live speech", "being typed");
    this.waiting = [this.start];
    this.socket = openSocket(PATH, PROTOCOL);
    this.socket.onopen = () => this.waiting.splice(0).forEach((message) => this.send(message));
    this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.hear(JSON.parse(data)) : this.sound.add(new Uint8Array(data)));
    this.socket.onclose = () => this.end(this.finished ? "done" : "failed");
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
    else this.waiting.push(message);
  }

  /** Send what is new in the field up to `length`. */
  write(value, length) {
    const from = common(this.sent, value);
    if (length <= from) return;
    const text = value.slice(from, length);
    this.sent = value.slice(0, length);
    this.text += text;
    this.send({ type: "text", text });
  }

  hear(event) {
    if (event.type === "audio") byId("live-spoken").textContent = [...this.text].slice(0, event.text_end).join("");
    if (event.type === "finished") this.finished = true;
    if (event.type === "error") this.trouble = said(event.error);
  }

  /** Be silent, and have the server stop. */
  stop() {
    this.socket.close();
    this.end("stopped");
  }

  async end(state) {
    if (this.ended) return;
    this.ended = true;
    this.onend();
    snippets.show(snippets.liveSpeech(this.start, this.text));
    if (state === "stopped") return this.job.end(state, { title: this.text, blob: this.sound.stop(), name: "speech.wav" });
    if (state === "failed") {
      this.trouble ??= unreachable();
      complain(this.trouble);
      this.sound.fail();
      return this.job.end(state, { title: this.text, text: this.trouble });
    }
    const { blob, length } = await this.sound.finish();
    await this.job.end("done", { title: this.text, blob, name: "speech.wav", figures: `${seconds(length)} of sound` });
    await this.sound.heard();
  }
}

export function startLive() {
  const view = new SoundView(byId("live-sound"));
  const [field, end, flush, stop] = ["live-text", "live-end", "live-flush", "live-stop"].map(byId);
  let speech = null;
  let pause = null;

  const enable = (enabled) => [end, flush, stop].forEach((one) => (one.disabled = !enabled));
  const begin = () => {
    complain("");
    byId("live-spoken").textContent = "";
    enable(true);
    return new LiveSpeech(view, () => {
      speech = null;
      field.value = "";
      enable(false);
    });
  };
  const writeAll = () => speech?.write(field.value, field.value.length);

  field.oninput = () => {
    clearTimeout(pause);
    if (!speech && !field.value.trim()) return;
    speech ??= begin();
    speech.write(field.value, complete(field.value));
    pause = setTimeout(writeAll, PAUSE_MILLISECONDS);
  };
  flush.onclick = () => {
    writeAll();
    speech?.send({ type: "flush" });
  };
  stop.onclick = () => {
    speech?.stop();
    field.focus();
  };
  byId("live-form").onsubmit = (event) => {
    event.preventDefault();
    writeAll();
    speech?.send({ type: "end" });
    end.disabled = flush.disabled = true;
    field.focus();
  };
  field.onkeydown = (event) => {
    if (event.key === "Enter" && event.ctrlKey && speech) byId("live-form").requestSubmit();
    if (event.key === "Escape") speech?.stop();
  };
}
