// Reads the gateway's errors: JSON with a code, a message and an optional hint.

/** The maximum size of an error body that the client reads. The gateway's own bodies are far smaller. */
const MOST_BYTES = 64 * 1024;
/** The client waits at most this long, even if `Retry-After` asks for a longer wait. */
const MOST_WAIT_MS = 3_600_000;

/** A failed request: an error response, a response that does not come from the gateway, or no response. */
export class OasisError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {string | null} hint
   * @param {number} status The HTTP status of the response; 0 if there is no response.
   * @param {number | null} retryAfter The wait that the server asks for, in milliseconds.
   */
  constructor(code, message, hint = null, status = 0, retryAfter = null) {
    super(message);
    this.name = "OasisError";
    /** Identifies the error for programs: `bad_parameter`, `token_missing`, … */
    this.code = code;
    /** Advice on how to solve the problem; null if there is none. */
    this.hint = hint;
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * Reads the error in a response. If the body is not in the gateway's format, for example because a proxy sent
 * it, the code is `http_STATUS`.
 *
 * @param {Response} response
 * @param {() => number} now
 * @returns {Promise<OasisError>}
 */
export async function readError(response, now = Date.now) {
  const { status } = response;
  const wait = retryAfter(response.headers.get("retry-after"), now());
  try {
    const error = JSON.parse(await readBody(response))?.error;
    if (typeof error?.code === "string" && typeof error.message === "string") {
      const hint = typeof error.hint === "string" ? error.hint : null;
      return new OasisError(error.code, error.message, hint, status, wait);
    }
  } catch {
    // The body is not JSON, or the connection broke. In both cases, the error contains only the status.
  }
  return new OasisError(`http_${status}`, `the server answered with status ${status}`, null, status, wait);
}

/**
 * Parses `Retry-After`, which is a number of seconds or a date (RFC 9110, section 10.2.3).
 *
 * @param {string | null} value
 * @param {number} now
 * @returns {number | null} Milliseconds, at most one hour; null if the value is missing or invalid.
 */
function retryAfter(value, now) {
  if (!value) return null;
  const wait = /^\s*[0-9]+\s*$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now;
  return Number.isNaN(wait) ? null : Math.min(Math.max(wait, 0), MOST_WAIT_MS);
}

/** Reads the body, but stops after the chunk that exceeds 64 KiB. @param {Response} response */
async function readBody(response) {
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
