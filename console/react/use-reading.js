// The hook below those that read with queries: reads until there is nothing more to read.

import { OasisError } from "@oasis-devhub/client";
import { useEffect, useInsertionEffect, useRef, useState } from "react";

/**
 * @template T
 * @typedef {object} Reading
 * @property {import("./types.js").Source | null} source Null means not to read.
 * @property {import("./types.js").TokenFunction} [ask]
 * @property {boolean} [isPaused] Whether to keep the last value, and not to read.
 * @property {unknown} [version] Reads at once if this changes.
 * @property {number} interval The time between two reads, in milliseconds.
 * @property {(options: import("@oasis-devhub/client/casts").CastQueryOptions) => Promise<T>} read
 * @property {(value: T) => boolean} isLast Whether to stop after this value.
 */

/** The least time between two reads, in milliseconds. */
const LEAST_MS = 1_000;

/** @param {OasisError} error */
const isRefusal = ({ status }) => status >= 400 && status < 500 && ![408, 425, 429].includes(status);

/**
 * @template T
 * @param {Reading<T>} reading
 * @returns {{ value: T | null, error: OasisError | null, isLoading: boolean }}
 */
export function useReading(reading) {
  const { source, version, isPaused = false } = reading;
  const { stream = "", user = "", key = "" } = source ?? {};
  // The answers for one user are never shown to another.
  const whose = source && `${stream} ${user || key}`;
  const [state, setState] = useState({
    whose,
    value: /** @type {T | null} */ (null),
    error: /** @type {OasisError | null} */ (null),
  });
  const latest = useRef(reading);
  useInsertionEffect(() => {
    latest.current = reading;
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the effect reads the latest values
  useEffect(() => {
    if (whose === null || isPaused) return;
    const controller = new AbortController();
    const { signal } = controller;
    /** @type {ReturnType<typeof setTimeout>} */
    let timer;
    /** @type {string | null | undefined} The token of the last request that was refused. */
    let refused;
    /** @param {T | null} value @param {OasisError | null} error */
    const show = (value, error) =>
      setState((before) => ({
        whose,
        value: value ?? (before.whose === whose ? before.value : null),
        error,
      }));
    const again = (wait = 0) => {
      timer = setTimeout(next, Math.max(LEAST_MS, latest.current.interval, wait));
    };
    const next = async () => {
      const { source, ask, read, isLast } = latest.current;
      if (!source) return;
      const { url, fetch } = source.options;
      let token;
      try {
        token = source.asks ? await ask?.() : source.options.token;
        const value = await read({ url, fetch, signal, token: token ?? undefined });
        if (signal.aborted) return;
        show(value, null);
        if (!isLast(value)) again();
      } catch (thrown) {
        if (signal.aborted) return;
        const isKnown = thrown instanceof OasisError;
        const error = isKnown ? thrown : new OasisError("bad_option", String(thrown));
        show(null, error);
        // The function may return a newer token.
        const mayRenew = error.status === 401 && source.asks && token !== refused;
        refused = token;
        if (mayRenew || !isRefusal(error)) again(error.retryAfter ?? 0);
      }
    };
    void next();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [whose, key, version, isPaused]);
  const isOwn = state.whose === whose;
  const { value, error } = isOwn ? state : { value: null, error: null };
  return { value, error, isLoading: whose !== null && value === null && error === null };
}
