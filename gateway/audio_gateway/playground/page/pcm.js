// 16-bit little-endian samples, with and without a WAV header.

const HEADER_BYTES = 44;
export const DEFAULT_RATE = 24000;

/** Makes samples of pieces of bytes, wherever they were cut. With `wav`, a header comes first. */
export class Reader {
  constructor({ wav = false, rate = DEFAULT_RATE } = {}) {
    this.rate = wav ? 0 : rate; // hertz; 0 until the header has come
    this.rest = new Uint8Array();
  }

  /** The samples that are complete by now, -1 to 1. */
  read(piece) {
    let bytes = new Uint8Array(this.rest.length + piece.length);
    bytes.set(this.rest);
    bytes.set(piece, this.rest.length);
    if (!this.rate && bytes.length >= HEADER_BYTES) {
      this.rate = new DataView(bytes.buffer).getUint32(24, true);
      bytes = bytes.slice(HEADER_BYTES);
    }
    const count = this.rate ? bytes.length >> 1 : 0;
    this.rest = bytes.slice(2 * count);
    const view = new DataView(bytes.buffer);
    return Float32Array.from({ length: count }, (_, index) => view.getInt16(2 * index, true) / 0x8000);
  }
}

/** Samples from -1 to 1 as 16-bit ones. */
export function toInt16(samples) {
  return Int16Array.from(samples, (sample) => Math.max(-0x8000, Math.min(0x7fff, Math.round(sample * 0x8000))));
}

/** All blocks of samples as one. */
export function joined(blocks) {
  const whole = new Float32Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    whole.set(block, at);
    at += block.length;
  }
  return whole;
}

/** Blocks of samples as a WAV file. */
export function wavFile(blocks, rate) {
  const samples = toInt16(joined(blocks));
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  const write = (at, text) => [...text].forEach((letter, index) => header.setUint8(at + index, letter.charCodeAt(0)));
  write(0, "RIFF");
  header.setUint32(4, 36 + samples.byteLength, true);
  write(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true); // PCM
  header.setUint16(22, 1, true); // mono
  header.setUint32(24, rate, true);
  header.setUint32(28, 2 * rate, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  write(36, "data");
  header.setUint32(40, samples.byteLength, true);
  return new Blob([header, samples], { type: "audio/wav" });
}

/** Bytes in base64, in steps that an argument list can hold. */
export function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
