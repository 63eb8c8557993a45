// What speech looks like while it comes and after it has: waveform, figures, replay, download.

import { button, download, element, milliseconds, seconds, setAudio } from "./dom.js";
import { Reader, wavFile } from "./pcm.js";
import { Player } from "./player.js";
import { Waveform } from "./waveform.js";

const FIGURES = { first: "First sound after", total: "All of it after", length: "Sound", factor: "Real-time factor" };

/** Where sounds are shown, one at a time. */
export class SoundView {
  constructor(place) {
    this.status = element("p", { className: "status" });
    this.status.setAttribute("role", "status");
    const canvas = element("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "Waveform");
    this.figures = Object.fromEntries(Object.keys(FIGURES).map((name) => [name, element("dd", { textContent: "–" })]));
    const list = Object.entries(FIGURES).map(([name, title]) => {
      this.figures[name].dataset.figure = name;
      return element("div", {}, element("dt", { textContent: title }), this.figures[name]);
    });
    this.audio = element("audio", { controls: true, hidden: true });
    this.audio.setAttribute("aria-label", "The whole sound");
    this.replay = button("Replay", () => ((this.audio.currentTime = 0), this.audio.play()));
    this.save = button("Download");
    this.after = element("div", { className: "row", hidden: true }, this.replay, this.save);
    this.shown = element("div", { className: "sound", hidden: true }, this.status, canvas,
      element("dl", { className: "figures" }, ...list), this.audio, this.after);
    place.append(this.shown);
    this.waveform = new Waveform(canvas);
  }

  /** Begin with a sound, and forget the one before. */
  begin(format, rate) {
    this.audio.pause();
    this.shown.hidden = false;
    this.audio.hidden = this.after.hidden = true;
    for (const figure of Object.values(this.figures)) figure.textContent = "–";
    this.waveform.clear(rate);
    return new Sound(this, format, rate);
  }

  /** Let the person have the whole. */
  offer(blob, name) {
    setAudio(this.audio, blob);
    this.after.hidden = false;
    this.save.onclick = () => download(blob, name);
  }
}

/** One sound, from the first byte to the last. `format` is what its bytes are; pcm and wav are heard as they come. */
export class Sound {
  constructor(view, format, rate) {
    this.view = view;
    this.format = format;
    this.reader = ["pcm", "wav"].includes(format) ? new Reader({ wav: format === "wav", rate }) : null;
    // Made now, while the person is pressing a button; a WAV header may ask for another rate.
    this.player = this.reader ? new Player(rate) : null;
    this.began = performance.now();
    this.blocks = [];
    this.received = [];
    this.bytes = this.samples = 0;
  }

  get seconds() {
    return this.reader?.rate ? this.samples / this.reader.rate : 0;
  }

  add(piece) {
    if (!this.bytes) this.show("first", milliseconds(performance.now() - this.began));
    this.bytes += piece.length;
    if (this.reader) this.hear(piece);
    else this.received.push(piece);
    this.view.status.textContent = this.reader
      ? `Speaking: ${seconds(this.seconds)} so far.`
      : `${Math.ceil(this.bytes / 1024)} KiB so far; ${this.format} is heard once it is whole.`;
  }

  hear(piece) {
    const samples = this.reader.read(piece);
    const { rate } = this.reader;
    if (rate && rate !== this.player.context.sampleRate) {
      this.player.stop();
      this.player = new Player(rate);
      this.view.waveform.clear(rate);
    }
    this.blocks.push(samples);
    this.samples += samples.length;
    this.player.play(samples);
    this.view.waveform.add(samples);
  }

  /** All has come. The file of it, once it has been measured. */
  async finish() {
    const total = performance.now() - this.began;
    this.show("total", milliseconds(total));
    const blob = this.reader ? wavFile(this.blocks, this.reader.rate) : await this.unpack();
    const length = this.length ?? this.seconds;
    this.show("length", seconds(length));
    if (length) this.show("factor", (total / 1000 / length).toFixed(3));
    this.view.status.textContent = this.trouble ?? "Done.";
    this.view.offer(blob, this.reader ? "speech.wav" : `speech.${this.format}`);
    if (!this.reader) this.view.audio.play().catch(() => {}); // a browser may want a click
    return { blob, length, total };
  }

  /** It ends here, by the person's wish. What was heard so far can be kept. */
  stop() {
    this.player?.stop();
    this.view.status.textContent = "Stopped.";
    if (!this.samples) return null;
    const blob = wavFile(this.blocks, this.reader.rate);
    this.view.offer(blob, "speech.wav");
    return blob;
  }

  /** Resolves when the last sample has been heard. */
  heard() {
    return this.player?.finish();
  }

  fail() {
    this.player?.stop();
    this.view.status.textContent = "It failed.";
  }

  async unpack() {
    const blob = new Blob(this.received, { type: `audio/${this.format === "mp3" ? "mpeg" : this.format}` });
    const context = new OfflineAudioContext(1, 1, 48000);
    try {
      const sound = await context.decodeAudioData(await blob.arrayBuffer());
      this.length = sound.duration;
      this.view.waveform.clear(sound.sampleRate);
      this.view.waveform.add(sound.getChannelData(0));
    } catch {
      this.trouble = `This browser cannot play ${this.format}; download it.`;
    }
    return blob;
  }

  show(figure, text) {
    this.view.figures[figure].textContent = text;
  }
}
