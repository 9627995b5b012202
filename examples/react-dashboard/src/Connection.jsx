// Shows the state of the connection: a badge in the header, and a notice that says what to do.

import { describeConnection } from "./connection.js";

export function ConnectionBadge({ feed, expiresAt }) {
  const { label, tone } = describeConnection(feed, expiresAt);
  return (
    <span className="status" data-tone={tone}>
      {label}
    </span>
  );
}

export function ConnectionNotice({ feed, expiresAt, logOut }) {
  const { tone, title, details, action } = describeConnection(feed, expiresAt);
  // The element with the role is always there, because screen readers announce only changes inside of it.
  return (
    <div role="status">
      {title && (
        <div className="notice" data-tone={tone}>
          <p>
            <strong>{title}</strong> {details}
          </p>
          {action === "retry" && (
            <button type="button" onClick={feed.reconnect}>
              Try again
            </button>
          )}
          {action === "login" && (
            <button type="button" onClick={logOut}>
              Log in with another token
            </button>
          )}
        </div>
      )}
      {!title && feed.gap && (
        <div className="notice" data-tone="warn">
          <p>
            <strong>Some events are missing.</strong> The gateway no longer had them when this page came back,
            so a status below may be old until the next event.
          </p>
        </div>
      )}
    </div>
  );
}
