// Lists the models: what each can do, and whether it is in memory.

import { refresh } from "./catalogue.js";
import { byId, complain, element } from "./dom.js";

const KINDS = { synthesizer: "speaks", transcriber: "listens" };
const STATES = { ready: "loaded", unloaded: "not loaded; the next call loads it", loading: "loading", failed: "failed to load" };
const MEBIBYTE = 2 ** 20;

export function startModels() {
  byId("models-refresh").onclick = show;
  return { onshow: show };
}

async function show() {
  try {
    const { models } = await refresh();
    const own = models.filter((model) => model.id === model.root);
    byId("model-list").replaceChildren(...own.map((model) => entry(model, models)));
  } catch (error) {
    complain(error.message);
  }
}

const memory = (bytes, of) => (bytes ? `${Math.round(bytes / MEBIBYTE)} MiB of ${of}` : "");

function entry(model, models) {
  const aliases = models.filter((other) => other.root === model.id && other.id !== model.id).map((other) => other.id);
  const facts = [
    model.backend,
    model.languages.length > 8 ? `${model.languages.length} languages` : model.languages.join(", "),
    model.voices.length && (model.voices.length === 1 ? "1 voice" : `${model.voices.length} voices`),
    memory(model.host_memory_bytes, "memory"),
    memory(model.device_memory_bytes, "GPU memory"),
    aliases.length && `also called ${aliases.join(", ")}`,
  ];
  const state = element("span", { className: model.state === "failed" ? "badge bad" : "badge", textContent: STATES[model.state] ?? model.state });
  return element("li", {},
    element("div", { className: "row" }, element("strong", { textContent: model.id }), state,
      element("span", { className: "hint", textContent: KINDS[model.kind] })),
    element("p", { className: "hint", textContent: facts.filter(Boolean).join(" · ") }));
}
