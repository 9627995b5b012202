// Parses the links of events, which are mostly addresses of GitHub and Cloud Run.

/**
 * Returns the address if its scheme is http or https, otherwise null.
 *
 * @param {string | null} address
 */
export function webAddress(address) {
  try {
    const url = new URL(address ?? "");
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

/** Returns a run's link without the attempt, the query and the fragment. @param {string} link */
export const withoutAttempt = (link) => link.replace(/[?#].*$/, "").replace(/\/attempts\/[0-9]+\/?$/, "");

/** The attempt of a run; 0 if the link is not a run's address. @param {string | null} link */
export function attemptIn(link) {
  const run = /\/actions\/runs\/[0-9]+(?:\/attempts\/([0-9]+))?\/?$/.exec(link ?? "");
  return run ? Number(run[1] ?? 1) : 0;
}

/** The address of a job's run; undefined if the link is not a job's address. @param {string} link */
export const runOfJob = (link) => /^(.+\/actions\/runs\/[0-9]+)\/job\//.exec(link)?.[1];

/** `#100` for the address of pull request 100; empty for any other link. @param {string | null} link */
export const pullNumber = (link) => /\/pull\/([0-9]+)/.exec(link ?? "")?.[0].replace("/pull/", "#") ?? "";

/**
 * A short description of a link's target: `acme/gateway #100`, `acme/gateway run`.
 *
 * @param {string | null} link
 */
export function describeLink(link) {
  const address = webAddress(link);
  if (!address) return "";
  const url = new URL(address);
  const parts = url.pathname.split("/").filter(Boolean).map(decode);
  if (url.hostname === "console.cloud.google.com" && parts[1] === "detail")
    return `${parts[3] ?? ""} in ${parts[2] ?? ""}`;
  if (url.hostname !== "github.com" || parts.length < 2)
    return `${url.hostname}${url.pathname === "/" ? "" : decode(url.pathname)}`.slice(0, 120);
  const [owner, repository, what, id, ...rest] = parts;
  const place = `${owner}/${repository}`;
  if (what === "pull") return `${place} #${id}`;
  if (what === "commit" || what === "compare") {
    // The link of a comparison contains two commits. The second commit is the newer commit.
    const commit = id?.split("...").at(-1) ?? "";
    return `${place} ${commit.replace(/^[0-9a-f]{12,40}$/, (hash) => hash.slice(0, 7)).slice(0, 60)}`;
  }
  if (what === "releases") return `${place} ${rest.join("/")}`;
  if (what === "actions" && id === "runs") return `${place} ${rest.includes("job") ? "job" : "run"}`;
  return [place, what, id, ...rest].filter(Boolean).join("/").slice(0, 120);
}

/** Decodes a part of a path. Returns the part itself if it is malformed. @param {string} part */
export function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
