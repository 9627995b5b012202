// Generates the description of the streams (AsyncAPI 3) from the extensions `x-sse-events` of the OpenAPI
// description. The schemas stay there.

import { stringify } from "yaml";
import { METHODS, resolve } from "./document.mjs";

const HEAD = `# Generated: \`node .ci/openapi/check.mjs --write\` writes this file from gateway-v1.yml.
`;
const STREAM = "text/event-stream";
const SCHEMES = "#/components/securitySchemes/";
/** The version of the binding of operations to HTTP. */
const BINDING = "0.3.0";

const description = (file) => `\
The streams of Server-Sent Events that the gateway sends. The name of a message is the name of its event, and
its payload is the \`data\`. The message \`message\` has no line \`event:\`. ${file} describes the headers and
the errors.

The line \`id:\` of a block is the new cursor of the client. A client that reconnects sends its cursor as
\`Last-Event-ID\`. A block that has only an \`id:\` line moves the cursor, and is not a message. A line that
begins with \`:\` is a comment. A block \`retry:\` asks the client to wait this many milliseconds before it
reconnects.

The values of a list in a query are separated by commas. A client sends one of the credentials of the
operation. The description of the operation says whether a client without a credential may read.
`;

/** The operations of a document that answer with a stream. */
export const streamsOf = (document) =>
  Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).flatMap((method) => {
      const answers = Object.values(item[method].responses ?? {});
      const media = answers.map((answer) => resolve(document, answer).value.content?.[STREAM]).find(Boolean);
      return media ? [{ path, item, method, media }] : [];
    }),
  );

/**
 * @param {any} document The OpenAPI description of the gateway.
 * @param {string} file Its name. The result refers to its schemas.
 * @returns {string} YAML.
 * @throws {Error} If an event has a schema without a name.
 */
export function streams(document, file) {
  const channels = {};
  const operations = {};
  for (const { path, item, method, media } of streamsOf(document)) {
    const { operationId, summary, description: text, tags, security = [] } = item[method];
    const messages = Object.entries(media["x-sse-events"] ?? {}).map(([name, payload]) => [
      name,
      messageOf(document, file, { name, payload, operationId }),
    ]);
    const all = [...(item.parameters ?? []), ...(item[method].parameters ?? [])];
    const parameters = all.map((one) => resolve(document, one).value);
    const inPath = parameters.filter((one) => one.in === "path");
    channels[operationId] = {
      address: path,
      title: summary,
      ...(inPath.length > 0 && { parameters: Object.fromEntries(inPath.map(pathParameter)) }),
      messages: Object.fromEntries(messages),
    };
    const http = { method: method.toUpperCase(), query: queryOf(parameters, file), bindingVersion: BINDING };
    operations[operationId] = {
      action: "send",
      summary,
      description: text,
      tags: tags.map((name) => ({ name })),
      channel: { $ref: `#/channels/${operationId}` },
      security: security.flatMap(Object.keys).map((name) => ({ $ref: `${SCHEMES}${name}` })),
      bindings: { http },
      messages: messages.map(([name]) => ({ $ref: `#/channels/${operationId}/messages/${name}` })),
    };
  }
  const { version, license } = document.info;
  const [host] = document.servers.map(({ url }) => new URL(url).host);
  const used = new Set(Object.values(operations).flatMap(({ tags }) => tags.map(({ name }) => name)));
  const yaml = stringify(
    {
      asyncapi: "3.1.0",
      info: {
        title: "OASIS DevHub streams",
        version,
        description: description(file),
        license: { name: license.name },
        tags: document.tags.filter(({ name }) => used.has(name)),
      },
      servers: { local: { host, protocol: "http", description: document.servers[0].description } },
      defaultContentType: "application/json",
      channels,
      operations,
      components: { securitySchemes: schemesOf(document, Object.values(operations)) },
    },
    { aliasDuplicateObjects: false, blockQuote: "literal", lineWidth: 110 },
  );
  return HEAD + yaml;
}

function messageOf(document, file, { name, payload, operationId }) {
  if (!payload.$ref)
    throw new Error(`${operationId}: the schema of the event ${name} must be a reference to a named schema`);
  const title = name === "message" ? "An event without a name" : `The event ${name}`;
  const { description: text = "" } = resolve(document, payload).value;
  const [summary] = text.trim().split(/(?<=[.])\s/);
  return { name, title, ...(summary && { summary }), payload: elsewhere(payload, file) };
}

const pathParameter = ({ name, example, ...one }) => [
  name,
  { description: one.description, ...(example !== undefined && { examples: [String(example)] }) },
];

/** The parameters of the query, as one schema. */
function queryOf(parameters, file) {
  // Some parameters are only for the pages at the same path.
  const all = parameters.filter((one) => one.in === "query" && (one["x-media-type"] ?? STREAM) === STREAM);
  const properties = all.map(({ name, schema, example, ...one }) => [
    name,
    {
      description: one.description,
      // Other keywords have no effect in an object with a reference.
      ...(schema.$ref ? { allOf: [elsewhere(schema, file)] } : elsewhere(schema, file)),
      ...(example !== undefined && { examples: [example] }),
    },
  ]);
  const required = all.filter((one) => one.required).map(({ name }) => name);
  return {
    type: "object",
    ...(required.length > 0 && { required }),
    properties: Object.fromEntries(properties),
    additionalProperties: false,
  };
}

/** The credentials that the operations name. */
function schemesOf(document, operations) {
  const used = new Set(operations.flatMap(({ security }) => security.map(({ $ref }) => $ref)));
  const all = Object.entries(document.components.securitySchemes ?? {});
  const named = all.filter(([name]) => used.has(`${SCHEMES}${name}`));
  // AsyncAPI has another type for a key in a header, in the query or in a cookie.
  const type = (scheme) => (scheme.type === "apiKey" ? "httpApiKey" : scheme.type);
  return Object.fromEntries(named.map(([name, scheme]) => [name, { ...scheme, type: type(scheme) }]));
}

/** A value whose references lead to the other file. */
function elsewhere(value, file) {
  if (Array.isArray(value)) return value.map((one) => elsewhere(one, file));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [
      key,
      key === "$ref" ? `./${file}${one}` : elsewhere(one, file),
    ]),
  );
}
