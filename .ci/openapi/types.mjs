// Generates the TypeScript types of the schemas. The client and the Live Console import them.

import openapi, { astToString } from "openapi-typescript";

const HEAD = `// The types of what the gateway sends and accepts, from the schemas in openapi/.
// Generated: \`node .ci/openapi/check.mjs --write\` writes this file.
`;

/**
 * The schema from which a type is made. In TypeScript, the type of further properties must also allow the
 * values of the named properties. So the type allows any further property, although the schema does not.
 */
const typed = ({ patternProperties, ...schema }) =>
  patternProperties ? { ...schema, additionalProperties: true } : schema;

/**
 * The types of all schemas. A schema that both documents have is the same in both.
 *
 * @param {any[]} documents
 * @returns {Promise<string>}
 * @throws {Error} If two schemas with one name differ.
 */
export async function types(documents) {
  const schemas = {};
  for (const [name, schema] of documents.flatMap(({ components }) => Object.entries(components.schemas))) {
    const other = schemas[name] ?? schema;
    if (JSON.stringify(other) !== JSON.stringify(schema)) throw new Error(`two schemas ${name} differ`);
    schemas[name] = schema;
  }
  const entries = Object.entries(schemas).map(([name, schema]) => [name, typed(schema)]);
  const document = {
    openapi: "3.1.0",
    info: { title: "schemas", version: "1" },
    paths: {},
    components: { schemas: Object.fromEntries(entries) },
  };
  const tree = await openapi(document, {
    rootTypes: true,
    rootTypesNoSchemaPrefix: true,
    // A program may leave out a field that has a default.
    defaultNonNullable: false,
  });
  const lines = astToString(tree).split("\n");
  // There are no operations here, so these types would be empty.
  const empty = /^export type (paths|webhooks|\$defs|operations) = Record<string, never>;$/;
  return HEAD + lines.filter((line) => !empty.test(line)).join("\n");
}
