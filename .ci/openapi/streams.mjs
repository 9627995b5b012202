// Generates the description of the streams (AsyncAPI 3) from the extensions `x-sse-events` of the OpenAPI
// description. The schemas stay there.

import { stringify } from "yaml";
import { resolve } from "./document.mjs";

const HEAD = `# Generated: \`node .ci/openapi/check.mjs --write\` writes this file from gateway-v1.yml.
`;
const STREAM = "text/event-stream";

/**
 * @param {any} document The OpenAPI description of the gateway.
 * @param {string} file Its name. The result refers to its schemas.
 * @returns {string} YAML.
 */
export function streams(document, file) {
  const channels = {};
  const operations = {};
  for (const [path, item] of Object.entries(document.paths)) {
    const media = resolve(document, item.get?.responses?.["200"]).value.content?.[STREAM];
    if (!media) continue;
    const { operationId, summary, description, tags } = item.get;
    const messages = Object.entries(media["x-sse-events"]).map(([name, payload]) => {
      const title = name === "message" ? "An event without a name" : `The event ${name}`;
      return [name, { name, title, contentType: "application/json", payload: elsewhere(payload, file) }];
    });
    const parameters = parametersOf(document, [...(item.parameters ?? []), ...(item.get.parameters ?? [])]);
    channels[operationId] = {
      address: path,
      title: summary,
      ...(parameters && { parameters }),
      messages: Object.fromEntries(messages),
    };
    operations[operationId] = {
      action: "send",
      summary,
      description,
      tags: tags.map((name) => ({ name })),
      channel: { $ref: `#/channels/${operationId}` },
      bindings: { http: { method: "GET", bindingVersion: "0.3.0" } },
      messages: messages.map(([name]) => ({ $ref: `#/channels/${operationId}/messages/${name}` })),
    };
  }
  const { version, license } = document.info;
  const [host] = document.servers.map(({ url }) => new URL(url).host);
  const used = new Set(Object.values(operations).flatMap(({ tags }) => tags.map(({ name }) => name)));
  const description =
    "The streams of Server-Sent Events that the gateway sends. The name of a message is the name of its " +
    `event, and its payload is the data. ${file} describes credentials, parameters and errors.\n`;
  const text = stringify(
    {
      asyncapi: "3.1.0",
      info: {
        title: "OASIS DevHub streams",
        version,
        description,
        license: { name: license.name },
        tags: document.tags.filter(({ name }) => used.has(name)),
      },
      servers: { local: { host, protocol: "http", description: document.servers[0].description } },
      defaultContentType: "application/json",
      channels,
      operations,
    },
    { aliasDuplicateObjects: false, lineWidth: 110 },
  );
  return HEAD + text;
}

/** The parameters of the path. Those of the query and the headers are in the OpenAPI description. */
function parametersOf(document, parameters) {
  const found = parameters.map((one) => resolve(document, one).value).filter((one) => one.in === "path");
  if (found.length === 0) return null;
  return Object.fromEntries(found.map(({ name, description }) => [name, { description }]));
}

/** A reference to a schema in the other file. */
const elsewhere = ({ $ref }, file) => ({ $ref: `./${file}${$ref}` });
