// Live captions: the microphone over OpenAI's Realtime API for transcription.

import { openSocket, said } from "./api.js";
import { byId, complain, element } from "./dom.js";
import * as jobs from "./jobs.js";
import { Microphone } from "./microphone.js";
import { base64, DEFAULT_RATE, toInt16 } from "./pcm.js";
import * as snippets from "./snippets.js";
import { unreachable } from "./words.js";

const PATH = "/v1/realtime?intent=transcription";
const PROTOCOL = "realtime";
const TRANSCRIPTION = "conversation.item.input_audio_transcription.";
const NOTHING_TO_COMMIT = "input_audio_buffer_commit_empty";

/** One stream of captions, from opening the socket to its closing. */
class Captions {
  constructor(onend) {
    this.onend = onend;
    this.lines = [];
    this.partial = new Map(); // text so far by item
    this.open = new Set(); // items whose transcript has not come
    const language = byId("hear-language").value.trim();
    this.session = {
      type: "transcription",
      audio: {
        input: {
          format: { type: "audio/pcm", rate: DEFAULT_RATE },
          transcription: { model: byId("hear-model").value, ...(language && { language }) },
          turn_detection: { type: "server_vad" },
        },
      },
    };
    this.job = jobs.begin("Captions", "from the microphone");
    this.socket = openSocket(PATH, PROTOCOL);
    this.socket.onopen = () => this.send({ type: "session.update", session: this.session });
    this.socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    this.socket.onclose = () => this.end();
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  append(samples) {
    const audio = base64(new Uint8Array(toInt16(samples).buffer));
    this.send({ type: "input_audio_buffer.append", audio });
  }

  /** Nothing more is said: what was said last is still written down, and then the socket is closed. */
  finish() {
    this.finishing = true;
    this.send({ type: "input_audio_buffer.commit" });
  }

  hear(event) {
    const item = event.item_id;
    switch (event.type) {
      case "session.updated":
        byId("captions-status").textContent = "Listening.";
        break;
      case "input_audio_buffer.speech_started":
        this.open.add(item);
        break;
      case "input_audio_buffer.committed":
        this.open.add(item);
        this.answered = this.finishing;
        break;
      case `${TRANSCRIPTION}delta`:
        this.partial.set(item, (this.partial.get(item) ?? "") + event.delta);
        break;
      case `${TRANSCRIPTION}completed`:
        this.write(item, event.transcript.trim());
        break;
      case `${TRANSCRIPTION}failed`:
        this.write(item, "");
        complain(said(event.error));
        break;
      case "error":
        if (event.error.code === NOTHING_TO_COMMIT) this.answered = this.finishing;
        else this.fail(said(event.error));
        break;
    }
    byId("captions-partial").textContent = [...this.partial.values()].join(" ");
    if (this.answered && !this.open.size) this.socket.close();
  }

  write(item, text) {
    this.partial.delete(item);
    this.open.delete(item);
    if (!text) return;
    this.lines.push(text);
    byId("captions").append(element("p", { textContent: text }));
  }

  fail(message) {
    this.failed = true;
    complain(message);
    this.socket.close();
  }

  end() {
    if (!this.finishing && !this.failed) this.fail(unreachable());
    byId("captions-partial").textContent = "";
    byId("captions-status").textContent = this.failed ? "It failed." : "Done.";
    snippets.show(snippets.captions(this.session));
    this.job.end(this.failed ? "failed" : "done", { text: this.lines.join("\n") });
    this.onend();
  }
}

export function startCaptions() {
  const [form, start, stop] = ["captions-form", "captions-start", "captions-stop"].map(byId);
  let microphone = null;
  let captions = null;

  const closeMicrophone = async () => {
    const open = microphone;
    microphone = null;
    await open?.close();
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    complain("");
    byId("captions").replaceChildren();
    start.disabled = true;
    try {
      microphone = await Microphone.open({
        processed: true,
        meter: byId("captions-level"),
        onblock: (samples) => captions?.append(samples),
      });
    } catch (error) {
      complain(error.message);
      start.disabled = false;
      return;
    }
    byId("captions-status").textContent = "Connecting…";
    stop.disabled = false;
    captions = new Captions(() => {
      captions = null;
      closeMicrophone();
      start.disabled = false;
      stop.disabled = true;
    });
  };
  stop.onclick = async () => {
    stop.disabled = true;
    start.focus();
    await closeMicrophone();
    captions?.finish();
  };
}
