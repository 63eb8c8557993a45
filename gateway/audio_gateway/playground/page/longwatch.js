// Follows long texts by server-sent events.

import { events, request } from "./api.js";

export const PATH = "/v1/audio/speech/long";
// A browser opens six connections to a server (HTTP/1.1), and the buttons need some as well.
const MOST_STREAMS = 3;

export class Watch {
  /** `onprogress` gets what each event tells; `onlost` is called when the events of one end without having been left. */
  constructor(onprogress, onlost) {
    this.onprogress = onprogress;
    this.onlost = onlost;
    this.streams = new Map(); // AbortControllers by id
  }

  /** Whether its events come. */
  has(id) {
    return this.streams.has(id);
  }

  /** Follow the first of these as far as there is room, and no others. */
  follow(ids) {
    const wanted = ids.slice(0, MOST_STREAMS);
    for (const id of this.streams.keys()) if (!wanted.includes(id)) this.leave(id);
    for (const id of wanted) if (!this.has(id)) this.read(id);
  }

  leave(id) {
    this.streams.get(id)?.abort();
    this.streams.delete(id);
  }

  async read(id) {
    const mine = new AbortController();
    this.streams.set(id, mine);
    try {
      const answer = await request(`${PATH}/${id}/sse`, { signal: mine.signal });
      for await (const event of events(answer.body)) if (event.type === "progress") this.onprogress(event);
    } catch {
      // Why does not matter: whoever hears of the loss asks anew, and tells if that fails too.
    }
    if (this.streams.get(id) !== mine) return;
    this.streams.delete(id);
    this.onlost();
  }
}
