// What this page has asked for: kept in the browser (IndexedDB), the running ones in memory.

const DATABASE = "audio-grpc-playground";
const STORE = "jobs";
const MOST = 50;

let opened = null;
const running = new Map();
let lastId = 0;

const changed = () => document.dispatchEvent(new CustomEvent("jobs-changed"));

function promised(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function store(mode) {
  if (!opened) {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id", autoIncrement: true });
    opened = promised(request);
  }
  return (await opened).transaction(STORE, mode).objectStore(STORE);
}

/** Something has begun. `kind` and `title` are for people. */
export function begin(kind, title) {
  const job = { kind, title, when: Date.now() };
  const id = ++lastId;
  running.set(id, job);
  changed();
  return {
    /** It has ended: `state` is done, stopped or failed; `result` may have `blob`, `name`, `text` and `figures`. */
    async end(state, result = {}) {
      running.delete(id);
      await keep({ ...job, state, ...result });
      changed();
    },
  };
}

async function keep(job) {
  await promised((await store("readwrite")).add(job));
  const keys = await promised((await store("readonly")).getAllKeys());
  for (const key of keys.slice(0, -MOST)) await promised((await store("readwrite")).delete(key));
}

/** Those that run, and those that have ended, the latest first. */
export async function all() {
  const ended = await promised((await store("readonly")).getAll());
  return { running: [...running.values()], ended: ended.reverse() };
}

/** Forget one that has ended, or all of them. */
export async function forget(id) {
  const jobs = await store("readwrite");
  await promised(id === undefined ? jobs.clear() : jobs.delete(id));
  changed();
}
