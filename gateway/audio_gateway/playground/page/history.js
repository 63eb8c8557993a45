// What runs and what was done: by this page, and by the server where it tells or keeps it.

import { json } from "./api.js";
import { button, byId, complain, download, element, releaseAudio, seconds, setAudio } from "./dom.js";
import * as jobs from "./jobs.js";
import { showKept, startKept } from "./kept.js";

const POLL_MILLISECONDS = 1000;
const STATES = { done: "done", stopped: "stopped", failed: "failed" };

export function startHistory() {
  byId("history-clear").onclick = () => jobs.forget();
  document.addEventListener("jobs-changed", show);
  show();
  startKept();
  return { onshow: () => Promise.all([watchServer(), showKept()]), onhide: stopWatching };
}

async function show() {
  const { running, ended } = await jobs.all();
  const entries = [...running.map((job) => entry(job)), ...ended.map((job) => entry(job, result(job)))];
  const nothing = element("li", { textContent: "Nothing yet." });
  releaseAudio(byId("history-list"));
  byId("history-list").replaceChildren(...(entries.length ? entries : [nothing]));
  byId("history-clear").disabled = !ended.length;
}

function entry(job, ...more) {
  const state = STATES[job.state] ?? "running";
  const badge = element("span", { className: state === "failed" ? "badge bad" : "badge", textContent: state });
  const when = new Date(job.when).toLocaleString();
  return element("li", {},
    element("div", { className: "row" }, element("strong", { textContent: job.kind }), badge,
      element("span", { className: "hint", textContent: [when, job.figures].filter(Boolean).join(" · ") })),
    element("p", { textContent: job.title }),
    ...more.flat());
}

function result(job) {
  const parts = [];
  const actions = [];
  if (job.text) {
    parts.push(element("p", { textContent: job.text }));
    const file = new Blob([job.text], { type: "text/plain" });
    actions.push(button("Download the text", () => download(file, "transcript.txt")));
  }
  if (job.blob) {
    const player = element("audio", { controls: true, preload: "none" });
    player.setAttribute("aria-label", `Sound of: ${job.title}`);
    setAudio(player, job.blob);
    parts.push(player);
    actions.push(button("Download the sound", () => download(job.blob, job.name ?? "sound")));
  }
  actions.push(button("Remove", () => jobs.forget(job.id), { ariaLabel: `Remove: ${job.title}` }));
  return [...parts, element("div", { className: "row" }, ...actions)];
}

let timer = null;

/** Follow the server's own account of its work, if this one gives it. */
async function watchServer() {
  const { paths } = await json("/openapi.json");
  if ("/status/progress" in paths) followServer();
}

async function followServer() {
  clearTimeout(timer);
  try {
    const [now, past] = await Promise.all([json("/status/progress"), json("/status/history")]);
    byId("server-activity").hidden = false;
    showProgress(now);
    byId("server-history").replaceChildren(...past.request_history.map(serverEntry));
  } catch (error) {
    return complain(error.message);
  }
  if (!byId("history").hidden) timer = setTimeout(followServer, POLL_MILLISECONDS);
}

function stopWatching() {
  clearTimeout(timer);
}

function showProgress(now) {
  const bar = byId("server-progress");
  bar.hidden = !now.is_processing;
  bar.value = now.progress_percentage;
  const left = now.estimated_completion ? now.estimated_completion - Date.now() / 1000 : 0;
  const facts = [now.current_step, left > 0 && `about ${Math.ceil(left)} s left`, now.text_preview];
  byId("server-now").textContent = now.is_processing ? facts.filter(Boolean).join(" · ") : "Nothing is running.";
}

function serverEntry(request) {
  const { status, start_time: start, duration_seconds: took, text_preview: text, error_message: error } = request;
  const failed = status === "error";
  return element("li", {},
    element("div", { className: "row" },
      element("span", { className: failed ? "badge bad" : "badge", textContent: status }),
      element("span", { className: "hint", textContent: `${new Date(1000 * start).toLocaleString()} · ${seconds(took)}` })),
    element("p", { textContent: [text, error].filter(Boolean).join(" · ") }));
}
