// Writes a schema as a list of alternatives. An alternative has no references, and no `allOf`, `oneOf` or
// `anyOf`, except inside its properties and items.

import { resolve } from "./document.mjs";

/** A reference may lead back to its schema, so the depth is limited. */
const DEPTH = 16;

const both = (a, b, join) => (a === undefined ? b : b === undefined ? a : join(a, b));
const common = (a, b) => a.filter((one) => b.includes(one));

/** The types that two lists of types allow. Each integer is a number. */
function commonTypes(a, b) {
  const allows = (types, one) => types.includes(one) || (one === "integer" && types.includes("number"));
  return [...new Set([...a.filter((one) => allows(b, one)), ...b.filter((one) => allows(a, one))])];
}

/** The keywords that are compared, each in one form. */
function plain({ description, type, const: only, enum: values, required, properties, ...schema }) {
  return {
    description,
    type: type === undefined ? undefined : [type].flat(),
    enum: values ?? (only === undefined ? undefined : [only]),
    required: required ?? [],
    properties: properties ?? {},
    items: schema.items,
    isClosed: schema.additionalProperties === false,
  };
}

/** The schema of the values that match both schemas. */
function merge(a, b) {
  const properties = { ...a.properties };
  for (const [name, schema] of Object.entries(b.properties))
    properties[name] = both(a.properties[name], schema, (one, other) => ({ allOf: [one, other] }));
  return {
    description: both(a.description, b.description, (one, other) => `${one}\n${other}`),
    type: both(a.type, b.type, commonTypes),
    enum: both(a.enum, b.enum, common),
    required: [...new Set([...a.required, ...b.required])],
    properties,
    items: both(a.items, b.items, (one, other) => ({ allOf: [one, other] })),
    isClosed: a.isClosed || b.isClosed,
  };
}

/** The alternatives of two schemas that must both match. */
const product = (left, right) =>
  left.flatMap((a) =>
    right.map((b) => ({ names: [...a.names, ...b.names], schema: merge(a.schema, b.schema) })),
  );

/** An alternative without a name of its own, in a few words: its types and its required properties. */
const words = ({ type, required }) => [...(type ?? []), ...required].join(" ");

/**
 * The alternatives of a schema. The name of an alternative consists of the names of the members of `oneOf`
 * and `anyOf` that it has. If it has none, its name is that of the schema.
 *
 * @returns {{ name: string, schema: any }[]}
 */
export function alternatives(document, schema) {
  const { name } = resolve(document, schema);
  return expand(document, schema, 0).map(({ names, schema }) => ({
    name: names.join(" and ") || (name ?? words(schema)),
    schema,
  }));
}

function expand(document, value, depth) {
  if (depth > DEPTH) return [{ names: [], schema: plain({}) }];
  const { $ref, allOf = [], oneOf, anyOf, ...own } = value;
  const parts = $ref ? [resolve(document, { $ref }).value, ...allOf] : allOf;
  const member = (one) =>
    expand(document, one, depth + 1).map(({ names, schema }) => {
      const all = [resolve(document, one).name ?? [], ...names].flat();
      return { names: all.length > 0 ? all : [words(schema)], schema };
    });
  return [
    [{ names: [], schema: plain(own) }],
    ...parts.map((one) => expand(document, one, depth + 1)),
    ...[oneOf, anyOf].filter(Boolean).map((members) => members.flatMap(member)),
  ].reduce(product);
}
