// Has long texts spoken in the background, and shows how far the server is with them.

import { json, post, request } from "./api.js";
import { attempt, byId, complain, element, takeFiles } from "./dom.js";
import { ACTIVE, LongEntry } from "./longentry.js";
import * as longSnippets from "./longsnippets.js";
import { PATH, Watch } from "./longwatch.js";
import * as snippets from "./snippets.js";
import { moveFields, toSpeak } from "./speak.js";

const MOST = 100; // as many as the server lists at a time
const RECONNECT_MILLISECONDS = 3000; // as an EventSource does, which could not send a key
const PASTED = "text.txt";

const entries = new Map(); // by id, newest first
const watch = new Watch(showProgress, showAllLater);
let lastAsked = 0;
let timer = null;
let isLost = false;

const isSeen = () => !byId("long").hidden && !document.hidden;

export function startLongTexts() {
  const [form, text, start] = ["long-form", "long-text", "long-start"].map(byId);
  let name = PASTED;
  takeFiles(byId("long-file"), byId("long-drop"), (file) => attempt(async () => {
    text.value = await read(file);
    name = file.name;
  }));
  text.oninput = () => (name = PASTED);
  text.onkeydown = (event) => {
    if (event.key === "Enter" && event.ctrlKey) form.requestSubmit(start);
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (start.disabled) return;
    const isFocused = document.activeElement === start;
    start.disabled = true;
    await attempt(() => create(toSpeak(text.value, byId("long-format").value), name));
    start.disabled = false;
    if (isFocused) start.focus();
  };
  byId("long-refresh").onclick = () => attempt(showAll);
  document.addEventListener("visibilitychange", () => (isSeen() ? attempt(showAll) : leave()));
  return {
    onshow: () => {
      moveFields(byId("long-fields"));
      return showAll();
    },
    onhide: () => {
      moveFields(byId("speak-fields"));
      leave();
    },
  };
}

async function read(file) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name} is not text in UTF-8; save it as such, or paste the text.`);
  }
}

async function create(body, name) {
  byId("long-status").textContent = "";
  snippets.show(longSnippets.creation(body, name));
  const answer = await post(PATH, body);
  const { total_chunks: pieces } = await answer.json();
  const ignored = answer.headers.get("x-ignored-fields");
  const unused = ignored ? ` The model has no use for: ${ignored}.` : "";
  byId("long-status").textContent = `The server has it, in ${pieces === 1 ? "1 piece" : `${pieces} pieces`}.${unused}`;
  await showAll();
}

/** What the server has, newest first. Those that are followed are shown as their events tell. */
async function showAll() {
  clearTimeout(timer);
  const asked = ++lastAsked;
  const { jobs: items, total_jobs: total } = await json(`${PATH}?limit=${MOST}`);
  if (asked !== lastAsked) return; // a later answer is newer
  const before = new Map(entries);
  entries.clear();
  for (const item of items) {
    const known = before.get(item.job_id);
    if (known && !watch.has(item.job_id)) known.update(item);
    entries.set(item.job_id, known ?? new LongEntry(item, change));
    before.delete(item.job_id);
  }
  for (const gone of before.values()) gone.remove();
  arrange(total);
  follow();
  await Promise.all([...entries.values()].filter(({ isUnexplained }) => isUnexplained).map(explain));
}

/** Put them in order; those that are in their place stay untouched, with the focus and the sound that is played. */
function arrange(total) {
  const list = byId("long-list");
  const nothing = element("li", { textContent: "Nothing yet." });
  const wanted = entries.size ? [...entries.values()].map(({ item }) => item) : [nothing];
  for (const node of [...list.children]) if (!wanted.includes(node)) node.remove();
  for (const [index, node] of wanted.entries()) {
    if (list.children[index] !== node) list.insertBefore(node, list.children[index] ?? null);
  }
  byId("long-older").hidden = total <= entries.size;
  byId("long-older").textContent = `These are the newest ${entries.size} of ${total}.`;
}

/** Follow what is being spoken, then what waits for longest. */
function follow() {
  if (!isSeen()) return;
  const oldestFirst = [...entries.values()].reverse();
  watch.follow(ACTIVE.flatMap((state) => oldestFirst.filter((entry) => entry.state === state)).map(({ id }) => id));
}

function leave() {
  clearTimeout(timer);
  watch.follow([]);
}

/** Say why one failed; the list does not. */
async function explain(entry) {
  const { progress } = await json(`${PATH}/${entry.id}`);
  entry.update({ error: progress.error, total_chunks: progress.total_chunks });
}

function showProgress(event) {
  const entry = entries.get(event.job_id);
  const before = entry.state;
  entry.update(event);
  if (entry.state === before) return;
  if (ACTIVE.includes(entry.state)) return follow();
  watch.leave(entry.id); // what is told of those that have ended is in the list
  showAllOrLater();
}

function showAllLater() {
  clearTimeout(timer);
  if (isSeen()) timer = setTimeout(showAllOrLater, RECONNECT_MILLISECONDS);
}

/** Be up to date, also after the connection was lost. */
async function showAllOrLater() {
  try {
    await showAll();
    if (isLost) complain("");
    isLost = false;
  } catch (error) {
    isLost = true;
    complain(error.message);
    showAllLater();
  }
}

function change(entry, { action, method, path, question }) {
  if (question && !confirm(question)) return;
  attempt(async () => {
    snippets.show(longSnippets.change(action, method, path, entry.id));
    await request(path, { method });
    if (action === "delete") forget(entry);
    await showAll();
  });
}

function forget(entry) {
  const near = entry.item.nextElementSibling ?? entry.item.previousElementSibling;
  watch.leave(entry.id);
  entries.delete(entry.id);
  entry.remove();
  (near?.querySelector(".row > button:last-child") ?? byId("long-refresh")).focus();
}
