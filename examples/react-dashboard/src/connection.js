// Says in words what state the connection is in, and what the user can do.

import { clock } from "./time.js";

/**
 * Describes the result of `useSSE`: a short label, the tone of its colour, and, unless everything is fine, a
 * title with details. The action is `retry`, `login` or undefined.
 */
export function describeConnection(feed, expiresAt) {
  const { connected, connecting, reason, error, maxReached, retryCount, retryAt } = feed;
  const details = sentences(error?.message, error?.hint);
  if (connected) return { label: "Live", tone: "good" };
  if (maxReached) {
    return {
      label: "Offline",
      tone: "bad",
      title: error.message,
      details: sentences(error.hint),
      action: "retry",
    };
  }
  if (connecting && retryCount === 0 && !retryAt) {
    return { label: "Connecting", tone: "busy", title: "Connecting to the gateway…" };
  }
  if (connecting) {
    const next = retryAt ? `The next attempt is at ${clock(retryAt)}.` : "Trying again now.";
    return {
      label: "Reconnecting",
      tone: "warn",
      title: "There is no connection to the gateway",
      details: `${details} ${next}`,
      action: "retry",
    };
  }
  const offline = (title, action = "login") => ({ label: "Offline", tone: "bad", title, details, action });
  switch (reason) {
    case "token_expired":
      return offline("The token has expired");
    case "unauthorized":
      // The gateway does not say why it refuses a token. Only its log does.
      return offline(
        expiresAt < Date.now() ? "The token has expired" : "The gateway does not accept this token",
      );
    case "revoked":
      return offline("The token was revoked");
    case "forbidden":
      return offline("This token may not read resource events");
    default:
      return offline("The connection is closed", "retry");
  }
}

/** Joins texts to sentences. */
function sentences(...texts) {
  const given = texts.filter(Boolean).map((text) => text[0].toUpperCase() + text.slice(1));
  return given.map((text) => (/[.!?]$/.test(text) ? text : `${text}.`)).join(" ");
}
