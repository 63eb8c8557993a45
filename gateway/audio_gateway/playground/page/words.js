// What people read when something fails: what happened, and what they can do.

const BROKEN = new Set([502, 503, 504]);
const UNAVAILABLE = new Set(["unavailable", "cancelled", "unknown", "deadline_exceeded"]);
const KEY = /^[\w!#$%&'*+.^`|~-]+$/; // as browsers send it with a WebSocket (RFC 6455: a token of RFC 9110)
const MICROPHONE = {
  NotFoundError: "There is no microphone; connect one, and try again.",
  NotAllowedError: "The browser may not use the microphone; allow it beside the address of this page, and try again.",
  NotReadableError: "The microphone is in use by another program; close that, and try again.",
};

export const NO_MICROPHONE_HERE = "Browsers open the microphone only for https:// and for localhost.";
export const CUT = "The answer was cut short; what came until then is kept. Try again; the server's log says why.";

const RESTARTING = "The server does not answer; it may be starting again. Wait a few seconds, and try again.";
const NO_KEY = "This server asks for a key; enter yours at the top of this page.";
const WRONG_KEY = "The server does not know this key, or lets it in no more; enter another at the top of this page.";

/** The connection was never made, or is gone. */
export function unreachable(isUpload = false) {
  if (!navigator.onLine) return "This computer is offline; connect it to the network, and try again.";
  if (isUpload) return "The upload broke off: the server cannot be reached, or the file is too large for it.";
  return "The server cannot be reached; see that it is running, and try again.";
}

export const isAboutKey = ({ status, code }) => status === 401 || code === "invalid_api_key";

/** A request was refused, or failed in the middle of its answer: `error` is as OpenAI words it, with a `status` if there is one. */
export function failure({ status = 0, code = "", param = "", message = "" }, hasKey) {
  if (isAboutKey({ status, code })) return hasKey ? WRONG_KEY : NO_KEY;
  if (BROKEN.has(status) && !message) return RESTARTING;
  if (UNAVAILABLE.has(code) || (BROKEN.has(status) && !code)) return RESTARTING;
  if (code === "missing" && param === "model") return "No model is chosen; choose one, or reload the page if there is none to choose.";
  return message || `The server answered ${status}, and does not say why; its log may.`;
}

/** What is wrong with a key that somebody entered; empty if nothing is. */
export function keyProblem(key) {
  if (!key || KEY.test(key)) return "";
  const strange = [...key].find((letter) => !KEY.test(letter));
  const named = strange.trim() ? `“${strange}”` : "a space";
  return `No key has ${named} in it; copy yours again, without what stands around it.`;
}

/** The microphone cannot be had: `error` is what getUserMedia threw. */
export const microphone = ({ name, message }) =>
  MICROPHONE[name] ?? `The microphone cannot be used (${message}); see to it in the browser's settings.`;
