// Finds the changes of a description that break clients. What a client may send must stay allowed, and what
// an answer or an event of a stream has must stay there.

import { alternatives } from "./alternatives.mjs";
import { METHODS, resolve as resolveNamed } from "./document.mjs";

/** What a reference refers to. @param {any} document @param {any} value */
const resolve = (document, value) => resolveNamed(document, value).value;

/** The breaking changes from one document to another, one text each. @returns {string[]} */
export function breaks(before, after) {
  const found = [];
  for (const [path, item] of Object.entries(before.paths ?? {})) {
    for (const method of METHODS.filter((name) => item[name])) {
      const what = `${method.toUpperCase()} ${path}`;
      const now = after.paths?.[path]?.[method];
      if (!now) {
        found.push(`${what} is gone`);
        continue;
      }
      const old = item[method];
      const parameters = (document, owner, operation) =>
        [...(owner.parameters ?? []), ...(operation.parameters ?? [])].map((one) => resolve(document, one));
      const oldParameters = parameters(before, item, old);
      const newParameters = parameters(after, after.paths[path], now);
      const same = (a, b) => a.name === b.name && a.in === b.in;
      for (const one of oldParameters) {
        const other = newParameters.find((candidate) => same(one, candidate));
        if (!other) found.push(`${what}: the parameter ${one.name} is gone`);
        else compare(before, after, one.schema, other.schema, `${what}: ${one.name}`, "sent", found);
      }
      for (const one of newParameters)
        if (one.required && !oldParameters.some((other) => same(one, other) && other.required))
          found.push(`${what}: the parameter ${one.name} is required now`);
      bodies(before, after, old.requestBody, now.requestBody, `${what}: the body`, "sent", found);
      const isRequired = (document, body) => Boolean(resolve(document, body).required);
      if (isRequired(after, now.requestBody) && !isRequired(before, old.requestBody))
        found.push(`${what}: the body is required now`);
      for (const [status, answer] of Object.entries(old.responses ?? {})) {
        const other = now.responses?.[status];
        // An error that no longer occurs breaks no client.
        if (!other && status.startsWith("2")) found.push(`${what}: the answer ${status} is gone`);
        else if (other) bodies(before, after, answer, other, `${what}: ${status}`, "received", found);
      }
    }
  }
  return [...new Set(found)];
}

function bodies(before, after, old, now, what, direction, found) {
  const oldContent = resolve(before, old).content ?? {};
  const newContent = resolve(after, now).content ?? {};
  for (const [type, media] of Object.entries(oldContent)) {
    const other = newContent[type];
    if (!other) {
      found.push(`${what}: ${type} is gone`);
      continue;
    }
    compare(before, after, media.schema, other.schema, what, direction, found);
    for (const [name, schema] of Object.entries(media["x-sse-events"] ?? {})) {
      const event = other["x-sse-events"]?.[name];
      if (event) compare(before, after, schema, event, `${what}: ${name}`, "received", found);
      else found.push(`${what}: the event ${name} is gone`);
    }
  }
}

/** Whether a description says that later versions may add values, which clients must then expect. */
const isOpen = ({ description }) => /\bis open\b|\bmay have more\b/.test(description ?? "");

/** Compares two schemas. A schema may contain itself, so the depth is limited. */
function compare(before, after, old, now, what, direction, found, depth = 0) {
  if (!old || !now || depth > 8) return;
  const [from, to] = [alternatives(before, old), alternatives(after, now)];
  const one = (a, b, where) => compareOne(before, after, a.schema, b.schema, where, direction, found, depth);
  // A single schema may get another name. A schema that is received may become several narrower ones.
  if (from.length === 1 && (to.length === 1 || direction === "received")) {
    for (const b of to) one(from[0], b, to.length === 1 ? what : `${what} (${b.name})`);
    return;
  }
  for (const a of from) {
    const b = to.find(({ name }) => name === a.name);
    if (b) one(a, b, `${what} (${a.name})`);
    else if (direction === "sent") found.push(`${what}: the alternative ${a.name} is gone`);
  }
  if (direction === "sent" || isOpen(old) || isOpen(resolve(before, old))) return;
  for (const { name } of to)
    if (!from.some((a) => a.name === name)) found.push(`${what}: the alternative ${name} is new`);
}

/** Compares two schemas without alternatives. */
function compareOne(before, after, a, b, what, direction, found, depth) {
  const lost = (from, to) => from.filter((one) => !to.includes(one));
  const [from, to] = direction === "sent" ? [a, b] : [b, a];
  const isLost = (type) => !to.type.includes(type) && !(type === "integer" && to.type.includes("number"));
  if (from.type && to.type && from.type.some(isLost))
    found.push(`${what}: the type was ${a.type.join(" or ")} and is ${b.type.join(" or ")}`);
  // A client may send each value of the old list. It must expect each value of the new list.
  if (to.enum && (direction === "sent" || !isOpen(a))) {
    const limit = direction === "sent" ? "only some values are allowed now" : "other values may occur now";
    if (!from.enum) found.push(`${what}: ${limit}`);
    for (const value of lost(from.enum ?? [], to.enum))
      found.push(`${what}: ${JSON.stringify(value)} is ${direction === "sent" ? "gone" : "new"}`);
  }
  for (const [name, schema] of Object.entries(a.properties)) {
    const other = b.properties[name];
    if (other) compare(before, after, schema, other, `${what}.${name}`, direction, found, depth + 1);
    else if (direction === "received" || b.isClosed) found.push(`${what}.${name} is gone`);
  }
  const [must, could] = direction === "sent" ? [b, a] : [a, b];
  for (const name of lost(must.required, could.required))
    found.push(`${what}.${name} ${direction === "sent" ? "is required now" : "may be absent now"}`);
  compare(before, after, a.items, b.items, `${what}[]`, direction, found, depth + 1);
}
