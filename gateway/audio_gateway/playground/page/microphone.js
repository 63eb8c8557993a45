// The microphone as blocks of samples.

import { DEFAULT_RATE } from "./pcm.js";
import * as words from "./words.js";

/** An open microphone, 24 kHz, mono. `onblock` gets samples from -1 to 1; `meter` shows how loud they are. */
export class Microphone {
  /** Asks for permission. Throws an Error that says what to do. `processed`: with the browser's own noise suppression. */
  static async open({ processed, meter, onblock }) {
    if (!navigator.mediaDevices) throw new Error(words.NO_MICROPHONE_HERE);
    const wanted = { channelCount: 1, echoCancellation: processed, noiseSuppression: processed, autoGainControl: processed };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
    } catch (error) {
      throw new Error(words.microphone(error));
    }
    const context = new AudioContext({ sampleRate: DEFAULT_RATE });
    await context.audioWorklet.addModule(new URL("capture.js", import.meta.url));
    return new Microphone(stream, context, meter, onblock);
  }

  constructor(stream, context, meter, onblock) {
    Object.assign(this, { stream, context, meter });
    this.node = new AudioWorkletNode(context, "capture", { channelCount: 1, channelCountMode: "explicit" });
    this.node.port.onmessage = ({ data }) => {
      if (!data) return this.emptied();
      meter.value = Math.max(...data.map(Math.abs));
      onblock(data);
    };
    context.createMediaStreamSource(stream).connect(this.node);
    this.node.connect(context.destination); // it is silent, but what leads nowhere is not run
  }

  /** Resolves when the last block has been handed over. */
  async close() {
    const last = new Promise((resolve) => (this.emptied = resolve));
    this.node.port.postMessage("flush");
    await last;
    this.stream.getTracks().forEach((track) => track.stop());
    await this.context.close();
    this.meter.value = 0;
  }
}
