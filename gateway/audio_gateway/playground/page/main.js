// Puts the page together: tabs, theme, key, and the panels.

import { apiKey, useApiKey } from "./api.js";
import { startCaptions } from "./captions.js";
import { refresh } from "./catalogue.js";
import { byId, complain } from "./dom.js";
import { startHistory } from "./history.js";
import { startLive } from "./live.js";
import { startLongTexts } from "./longtexts.js";
import { startModels } from "./models.js";
import { startSnippets } from "./snippets.js";
import { startSpeak } from "./speak.js";
import { startTranscribe } from "./transcribe.js";
import { startVoices } from "./voices.js";

const tabs = [...document.querySelectorAll("[role=tab]")];

/** Tabs as https://www.w3.org/WAI/ARIA/apg/patterns/tabs describes them; the address remembers which. */
function startTabs(panels) {
  const show = (tab) => {
    for (const other of tabs) {
      const chosen = other === tab;
      const panel = byId(other.getAttribute("aria-controls"));
      other.setAttribute("aria-selected", chosen);
      other.tabIndex = chosen ? 0 : -1;
      if (!chosen && !panel.hidden) panels[panel.id]?.onhide?.();
      panel.hidden = !chosen;
      if (chosen) Promise.resolve(panels[panel.id]?.onshow?.()).catch((error) => complain(error.message));
    }
  };
  const choose = (tab) => {
    show(tab);
    history.replaceState(null, "", `#${tab.getAttribute("aria-controls")}`);
  };
  for (const [index, tab] of tabs.entries()) {
    tab.onclick = () => choose(tab);
    tab.onkeydown = ({ key }) => {
      const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 }[key];
      if (to === undefined) return;
      const next = tabs.at(to % tabs.length);
      next.focus();
      choose(next);
    };
  }
  show(tabs.find((tab) => `#${tab.getAttribute("aria-controls")}` === location.hash) ?? tabs[0]);
}

function startTheme() {
  const toggle = byId("theme-toggle");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const show = () => toggle.setAttribute("aria-pressed", isDark());
  toggle.onclick = () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("theme", theme);
    show();
    document.dispatchEvent(new Event("theme-changed"));
  };
  system.onchange = show;
  show();
}

function startKey() {
  const [form, toggle, field] = ["key-form", "key-toggle", "key"].map(byId);
  const open = (shown) => {
    form.hidden = !shown;
    toggle.setAttribute("aria-expanded", shown);
    if (shown) field.focus();
  };
  field.value = apiKey();
  toggle.onclick = () => open(form.hidden);
  document.addEventListener("key-needed", () => {
    byId("key-why").textContent = "This server asks for a key. It is forgotten when you close this tab.";
    open(true);
  });
  form.onsubmit = async (event) => {
    event.preventDefault();
    try {
      useApiKey(field.value.trim());
    } catch (error) {
      byId("key-why").textContent = error.message;
      field.focus();
      return;
    }
    open(false);
    toggle.focus();
    await load();
    tabs.find((tab) => tab.ariaSelected === "true").click(); // what it shows may have needed the key
  };
}

async function load() {
  try {
    complain("");
    await refresh();
  } catch (error) {
    complain(error.message);
  }
}

startTheme();
startKey();
startSnippets();
startSpeak();
startLive();
startTranscribe();
startCaptions();
startTabs({ long: startLongTexts(), voices: startVoices(), models: startModels(), history: startHistory() });
load();
