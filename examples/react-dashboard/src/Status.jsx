import { toneOf } from "./status.js";

/** The status of a resource, as text with a coloured dot. It is unknown until an event has named it. */
export function Status({ of }) {
  const status = of?.status;
  return (
    <span className="status" data-tone={toneOf(status)}>
      {status ?? "Unknown"}
    </span>
  );
}
