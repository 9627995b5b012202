// The session of the user. The token is in sessionStorage, so a reload keeps it, and closing the tab removes
// it. Every script of the page can read it there: an app with a server of its own should keep the session in
// an HttpOnly cookie instead, and pass `credentials` to SSEProvider.

const KEY = "oasis-token";
const HOUR_MS = 3_600_000;

export const readSession = () => toSession(sessionStorage.getItem(KEY));

export function startSession(token) {
  sessionStorage.setItem(KEY, token);
  return toSession(token);
}

export function endSession() {
  sessionStorage.removeItem(KEY);
}

function toSession(token) {
  if (!token) return null;
  // The stream begins at this time. It stays the same for the whole session, because another time would mean
  // another stream, and so another connection.
  const since = new Date(Date.now() - HOUR_MS).toISOString();
  return { token, since, ...claimsOf(token) };
}

// Reads what the page shows about the token. Only the gateway can verify a token, so nothing else may depend
// on these values.
function claimsOf(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const { sub, exp } = JSON.parse(new TextDecoder().decode(bytes));
    return { user: typeof sub === "string" ? sub : "", expiresAt: exp * 1_000 };
  } catch {
    // An API key has no claims.
    return { user: "", expiresAt: Number.POSITIVE_INFINITY };
  }
}
