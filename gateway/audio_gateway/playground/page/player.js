// Plays samples as they come.

const LEAD_SECONDS = 0.02; // between handing a block over and hearing it

export class Player {
  /** `rate` in hertz. Must be made while the person is doing something, or the browser stays silent. */
  constructor(rate) {
    this.context = new AudioContext({ sampleRate: rate });
    this.endsAt = 0;
    this.last = null;
  }

  /** Play these samples after those before them, or at once if those are over. */
  play(samples) {
    if (!samples.length || this.context.state === "closed") return;
    const buffer = this.context.createBuffer(1, samples.length, this.context.sampleRate);
    buffer.copyToChannel(samples, 0);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.context.destination);
    const at = Math.max(this.endsAt, this.context.currentTime + LEAD_SECONDS);
    source.start(at);
    this.endsAt = at + buffer.duration;
    this.last = source;
  }

  /** Resolves when all that was given has been heard; the device is free then. */
  async finish() {
    const left = this.endsAt > this.context.currentTime;
    if (this.last && left && this.context.state === "running") {
      await new Promise((resolve) => {
        this.last.onended = resolve;
        this.context.onstatechange = resolve; // stopped
      });
    }
    this.stop();
  }

  /** Be silent now. */
  stop() {
    if (this.context.state !== "closed") this.context.close();
  }
}
