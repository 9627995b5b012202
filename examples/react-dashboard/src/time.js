import { useEffect, useState } from "react";

const format = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** The time of day, from milliseconds since the epoch. */
export const clock = (milliseconds) => format.format(milliseconds);

/** The current time, which changes every `interval` milliseconds. */
export function useNow(interval) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), interval);
    return () => clearInterval(timer);
  }, [interval]);
  return now;
}
