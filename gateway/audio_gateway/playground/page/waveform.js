// A waveform that grows: bars of loudness, which get finer in time as there is more to show.

const FIRST_BAR_SECONDS = 0.02;
const MOST_BARS = 240;
const QUIETEST_FULL_HEIGHT = 0.2; // what is quieter than that throughout looks quiet

export class Waveform {
  constructor(canvas) {
    this.canvas = canvas;
    new ResizeObserver(() => this.draw()).observe(canvas);
    document.addEventListener("theme-changed", () => this.draw());
    this.clear(1);
  }

  clear(rate) {
    this.peaks = [];
    this.samplesPerBar = Math.max(1, Math.round(FIRST_BAR_SECONDS * rate));
    this.peak = this.filled = 0;
    this.draw();
  }

  add(samples) {
    for (const sample of samples) {
      this.peak = Math.max(this.peak, Math.abs(sample));
      if (++this.filled === this.samplesPerBar) this.endBar();
    }
    this.draw();
  }

  endBar() {
    this.peaks.push(this.peak);
    this.peak = this.filled = 0;
    if (this.peaks.length <= MOST_BARS) return;
    this.peaks = this.peaks.filter((_, index) => index % 2).map((peak, index) => Math.max(peak, this.peaks[2 * index]));
    this.samplesPerBar *= 2;
  }

  draw() {
    const { canvas, peaks } = this;
    const scale = devicePixelRatio;
    const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
    if (!width) return;
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.fillStyle = getComputedStyle(canvas).color;
    const loudest = Math.max(QUIETEST_FULL_HEIGHT, ...peaks);
    const step = width / Math.max(peaks.length, 60);
    peaks.forEach((peak, index) => {
      const tall = Math.max(scale, (peak / loudest) * height * 0.9);
      context.fillRect(index * step, (height - tall) / 2, Math.max(1, step * 0.65), tall);
    });
  }
}
