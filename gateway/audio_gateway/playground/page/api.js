// Asks the server: the key, errors as the server words them, events and WebSockets.

import * as words from "./words.js";

const KEY = "audio-grpc-key";
// How a browser sends a key with a WebSocket, which takes no headers; it is OpenAI's way.
const KEY_PROTOCOL = "openai-insecure-api-key.";

export const apiKey = () => sessionStorage.getItem(KEY) ?? "";

/** Use this key from now on; an empty one forgets it. Throws an Error that says what is wrong with it. */
export function useApiKey(key) {
  const problem = words.keyProblem(key);
  if (problem) throw new Error(problem);
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

/** What the server refused, in words for people. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The answer to a request. Throws Refused, or AbortError if `options.signal` was aborted. */
export async function request(path, options = {}) {
  const key = apiKey();
  const headers = new Headers(options.headers);
  if (key) headers.set("authorization", `Bearer ${key}`);
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, words.unreachable(options.body instanceof FormData));
  }
  if (answer.ok) return answer;
  if (answer.status === 401 && apiKey() !== key) return request(path, options); // another was given meanwhile
  throw refused(answer.status, await answer.text());
}

/** The JSON that a request is answered with. */
export const json = async (path, options) => (await request(path, options)).json();

/** Post `body` as JSON. */
export function post(path, body, signal) {
  return request(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
}

function refused(status, text) {
  let error;
  try {
    ({ error } = JSON.parse(text));
  } catch {
    error = { message: text };
  }
  return new Refused(status, said({ ...error, status }));
}

/** An error in words for people; one about the key asks for another. */
export function said(error) {
  if (words.isAboutKey(error)) document.dispatchEvent(new CustomEvent("key-needed"));
  return words.failure(error, Boolean(apiKey()));
}

/** The pieces of a body as they come. A failure in the middle is Refused. */
export async function* pieces(body) {
  const reader = body.getReader();
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, words.CUT);
  } finally {
    reader.releaseLock();
  }
}

/** Server-sent events, each the JSON of its data, named or not; an error among them is thrown. */
export async function* events(body) {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of pieces(body)) {
    text += decoder.decode(piece, { stream: true });
    const whole = text.split("\n\n");
    text = whole.pop();
    for (const event of whole) {
      const data = JSON.parse(event.replace(/^(event: .*\n)?data: /, ""));
      if (data.error) throw new Refused(500, said(data.error));
      yield data;
    }
  }
}

/** A WebSocket to `path` that speaks `protocol`, with the key if there is one; binary frames are ArrayBuffers. */
export function openSocket(path, protocol) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url, apiKey() ? [protocol, KEY_PROTOCOL + apiKey()] : []);
  socket.binaryType = "arraybuffer";
  return socket;
}
