// One long text in the list: how far it is, what can be done to it, and its sound.

import { button, element, releaseAudio, seconds } from "./dom.js";
import { fetchedSound } from "./fetched.js";
import { PATH } from "./longwatch.js";

const PREVIEW_CHARACTERS = 80; // what the server tells of a text
const STATES = { pending: "waiting", processing: "speaking", completed: "done" };
export const ACTIVE = ["processing", "pending", "paused"];
const ENDED = ["completed", "failed", "cancelled"];
const CHANGES = {
  pause: { label: "Pause", method: "PUT", path: "/pause", states: ["processing", "pending"] },
  resume: { label: "Resume", method: "PUT", path: "/resume", states: ["paused"] },
  retry: { label: "Retry", method: "POST", path: "/retry", states: ["failed"] },
  cancel: {
    label: "Cancel",
    method: "DELETE",
    path: "?action=cancel",
    states: ACTIVE,
    question: "Cancel this? It cannot go on after that.",
  },
  delete: {
    label: "Delete",
    method: "DELETE",
    path: "?action=delete",
    states: [...ACTIVE, ...ENDED],
    question: "Delete this text and its sound from the server?",
  },
};

export class LongEntry {
  /** Of an item of the server's list. `onchange` is called with what the person wants done to it. */
  constructor(item, onchange) {
    this.id = item.job_id;
    this.title = item.text_preview.trim() + (item.text_length > PREVIEW_CHARACTERS ? "…" : "");
    this.about = element("span", { className: "hint" });
    this.badge = element("span");
    this.progress = element("p", { className: "hint" });
    this.bar = element("progress", { max: 100, ariaLabel: `Progress of: ${this.title}` });
    this.why = element("p");
    this.buttons = Object.entries(CHANGES).map(([action, { label, method, path, question, states }]) => {
      const change = { action, method, path: `${PATH}/${this.id}${path}`, question };
      return { states, node: button(label, () => onchange(this, change), { ariaLabel: `${label}: ${this.title}` }) };
    });
    this.actions = element("div", { className: "row" }, ...this.buttons.map(({ node }) => node));
    this.item = element("li", {},
      element("div", { className: "row" }, element("strong", { textContent: this.title }), this.badge, this.about),
      this.progress, this.bar, this.why, this.actions);
    this.facts = {};
    this.update(item);
  }

  get state() {
    return this.facts.status;
  }

  /** Whether it failed for a reason that is not known here. */
  get isUnexplained() {
    return this.state === "failed" && !this.facts.error;
  }

  /** Show this as well, in the fields of the list, of progress events, or of both. */
  update(facts) {
    const { status } = Object.assign(this.facts, facts);
    if (status !== "failed") this.facts.error = null; // that of an attempt before
    this.badge.className = status === "failed" ? "badge bad" : "badge";
    this.badge.textContent = STATES[status] ?? status;
    this.about.textContent = this.describe();
    this.progress.textContent = status === "completed" ? "" : this.measure();
    this.bar.hidden = !ACTIVE.includes(status);
    this.bar.value = this.facts.progress_percentage;
    this.why.textContent = this.facts.error ?? "";
    if (status === "completed") this.addSound();
    this.allow(status);
  }

  describe() {
    const { created_at: created, parameters, voice, text_length: length, total_duration_seconds: sound } = this.facts;
    const spoken = this.state === "completed" && sound > 0 && `${seconds(sound)} of sound`;
    const facts = [
      new Date(created).toLocaleString(), parameters.model, voice, parameters.response_format, `${length} characters`, spoken,
    ];
    return facts.filter(Boolean).join(" · ");
  }

  measure() {
    const { progress_percentage: percent, total_chunks: total, estimated_remaining_seconds: left } = this.facts;
    const pieces = total && `${Math.round((percent * total) / 100)} of ${total} ${total === 1 ? "piece" : "pieces"}`;
    const rest = this.state === "processing" && left && `about ${duration(left)} left`;
    return [`${Math.floor(percent)} %`, pieces, rest].filter(Boolean).join(" · ");
  }

  /** The buttons that the state allows; the focus goes to another if its own is taken away. */
  allow(state) {
    const focused = document.activeElement;
    for (const { states, node } of this.buttons) node.hidden = !states.includes(state);
    if (focused.hidden && this.actions.contains(focused)) this.actions.querySelector("button:not([hidden])").focus();
  }

  addSound() {
    if (this.sound) return;
    const url = `${PATH}/${this.id}/download`;
    const isBare = this.facts.parameters.response_format === "pcm"; // no browser plays samples without a header
    this.sound = fetchedSound({ url: isBare ? `${url}?response_format=wav` : url, file: url, title: this.title });
    this.actions.before(...this.sound.shown);
    this.actions.prepend(...this.sound.actions);
  }

  remove() {
    releaseAudio(this.item);
    this.item.remove();
  }
}

function duration(left) {
  if (left < 90) return `${left} s`;
  return left < 5400 ? `${Math.round(left / 60)} min` : `${(left / 3600).toFixed(1)} h`;
}
