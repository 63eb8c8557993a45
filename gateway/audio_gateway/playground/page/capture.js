// An AudioWorklet: hands the microphone's samples over in blocks of a tenth of a second.

const BLOCK_SECONDS = 0.1;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(Math.round(BLOCK_SECONDS * sampleRate));
    this.filled = 0;
    this.port.onmessage = () => this.flush(); // the only message: it is over
  }

  process([[channel]]) {
    for (const sample of channel ?? []) {
      this.block[this.filled++] = sample;
      if (this.filled === this.block.length) this.send();
    }
    return true;
  }

  send() {
    this.port.postMessage(this.block.slice(0, this.filled));
    this.filled = 0;
  }

  flush() {
    if (this.filled) this.send();
    this.port.postMessage(null);
  }
}

registerProcessor("capture", Capture);
