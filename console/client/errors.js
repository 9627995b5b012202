// What the gateway says when it refuses: JSON with a code, a message and perhaps a hint.

/** Of an error's body; ours are far shorter. */
const MOST_BYTES = 64 * 1024;
/** A page that is left open all day comes back within the hour. */
const MOST_WAIT_MS = 3_600_000;

/** A refusal of the server, or an answer that isn't one of its own. */
export class OasisError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {string | null} hint
   * @param {number} status The status of the answer; 0 without one.
   * @param {number | null} retryAfter How long the server asks to be left alone, in milliseconds.
   */
  constructor(code, message, hint = null, status = 0, retryAfter = null) {
    super(message);
    this.name = "OasisError";
    /** What went wrong, for programs: `bad_parameter`, `token_missing`, … */
    this.code = code;
    /** What can be done about it, if there is anything. */
    this.hint = hint;
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * Reads the error of an answer. If it has another form than the gateway's (a proxy's page), its code is
 * `http_STATUS`.
 *
 * @param {Response} response
 * @param {() => number} now
 * @returns {Promise<OasisError>}
 */
export async function readError(response, now = Date.now) {
  const { status } = response;
  const wait = retryAfter(response.headers.get("retry-after"), now());
  try {
    const told = JSON.parse(await start(response))?.error;
    if (typeof told?.code === "string" && typeof told.message === "string") {
      const hint = typeof told.hint === "string" ? told.hint : null;
      return new OasisError(told.code, told.message, hint, status, wait);
    }
  } catch {
    // No JSON, or the answer broke off: its status says enough.
  }
  return new OasisError(`http_${status}`, `the server answered ${status}`, null, status, wait);
}

/**
 * `Retry-After` is a number of seconds or a date.
 *
 * @param {string | null} value
 * @param {number} now
 */
function retryAfter(value, now) {
  if (!value) return null;
  const wait = /^\s*[0-9]+\s*$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now;
  return Number.isNaN(wait) ? null : Math.min(Math.max(wait, 0), MOST_WAIT_MS);
}

/** @param {Response} response */
async function start(response) {
  const reader = response.body?.getReader();
  if (!reader) return response.text();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.length;
    text += decoder.decode(value, { stream: true });
    if (bytes > MOST_BYTES) {
      await reader.cancel();
      return text;
    }
  }
}
