// What the pages show about a cast, as texts and addresses.

import { duration } from "../time.js";

/** @typedef {import("../../client/casts.js").Cast} Cast */
/** @typedef {import("../../client/casts.js").CastStatus} CastStatus */

/** @param {Pick<Cast, "id" | "spell">} cast */
export const nameOf = ({ id, spell }) => (typeof spell?.name === "string" && spell.name.trim()) || id;

/**
 * How long the cast ran, or has run so far; null if unknown.
 *
 * @param {Pick<Cast, "status" | "startedAt" | "duration">} cast
 * @param {number} now
 */
export function lengthOf({ status, startedAt, duration: ms }, now) {
  if (typeof ms === "number") return duration(ms);
  const from = Date.parse(startedAt ?? "");
  return status === "running" && !Number.isNaN(from) ? duration(now - from) : null;
}

/**
 * The last step of the cast, and when it happened.
 *
 * @param {Pick<Cast, "status" | "startedAt" | "finishedAt" | "createdAt">} cast
 * @returns {[string, string]}
 */
export function lastStep({ status, startedAt, finishedAt, createdAt }) {
  switch (status) {
    case "queued":
      return ["opened", createdAt];
    case "running":
      return startedAt === null ? ["opened", createdAt] : ["started", startedAt];
    case "succeeded":
    case "failed":
      return finishedAt === null ? ["opened", createdAt] : ["ended", finishedAt];
  }
}

/**
 * The address of the cast's workflow run on GitHub; null if the cast has no run.
 *
 * @param {Pick<Cast, "repository" | "runId">} cast
 */
export const runAddress = ({ repository, runId }) =>
  /^[\w.-]+\/[\w.-]+$/.test(repository ?? "") && /^[0-9]+$/.test(runId ?? "")
    ? `https://github.com/${repository}/actions/runs/${runId}`
    : null;

/** The cost in whole units of its currency: `12.34`. @param {number} cents */
export const costOf = (cents) =>
  (cents / 100).toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** The progress as a whole number from 0 to 100; null if unknown. @param {number | null} progress */
export const percentOf = (progress) =>
  typeof progress === "number" ? Math.round(Math.min(100, Math.max(0, progress))) : null;

/**
 * The user of a JSON Web Token, to fill in an example; null if the token names no simple user. Only the
 * gateway verifies tokens.
 *
 * @param {string | undefined} token
 */
export function userOf(token) {
  try {
    const claims = (token?.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const { sub } = JSON.parse(atob(claims));
    // The example is a shell command, so a user with other characters could break its quotation marks.
    return typeof sub === "string" && /^[\w.@-]+$/.test(sub) ? sub : null;
  } catch {
    return null;
  }
}
