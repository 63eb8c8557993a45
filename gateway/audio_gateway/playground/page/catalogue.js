// The models and voices there are, in the fields where one is chosen.

import { json } from "./api.js";
import { byId, element } from "./dom.js";

const FIRST_VOICE = "the model's first";

let models = [];
let voices = [];

/** Ask again, and fill in the choices; what was chosen stays so if it still can be. */
export async function refresh() {
  const [modelList, voiceList] = await Promise.all([json("/v1/models"), json("/v1/audio/voices")]);
  models = modelList.data;
  voices = voiceList.data;
  fillModels(byId("speak-model"), "synthesizer");
  fillModels(byId("hear-model"), "transcriber");
  fillVoices();
  return { models, voices };
}

function choose(select, entries) {
  const before = select.value;
  select.replaceChildren(...entries);
  if ([...select.options].some((option) => option.value === before)) select.value = before;
}

function fillModels(select, kind) {
  const ofKind = models.filter((model) => model.kind === kind);
  const option = (model) => element("option", { value: model.id, textContent: model.id });
  const own = ofKind.filter((model) => model.id === model.root).map(option);
  const aliases = ofKind.filter((model) => model.id !== model.root).map(option);
  choose(select, aliases.length ? [...own, element("optgroup", { label: "Other names" }, ...aliases)] : own);
}

/** The voices of the model that is chosen. */
export function fillVoices() {
  const chosen = models.find((model) => model.id === byId("speak-model").value);
  const ofModel = voices.filter((voice) => chosen && voice.models.includes(chosen.root));
  const options = ofModel.map((voice) => element("option", { value: voice.id, textContent: voice.name }));
  choose(byId("speak-voice"), [element("option", { value: "", textContent: FIRST_VOICE }), ...options]);
}
