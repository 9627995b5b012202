// Renders the descriptions as one HTML page that needs no script and nothing from elsewhere.

import MarkdownIt from "markdown-it";
import { METHODS, resolve } from "./document.mjs";

const markdown = new MarkdownIt({ html: false });

const escape = (text) =>
  String(text)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
const prose = (text) => (text ? markdown.render(String(text).trim()) : "");
const inline = (text) => (text ? markdown.renderInline(String(text).trim()) : "");
const code = (text) => `<code>${escape(text)}</code>`;
const json = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
const pre = (value) => `<pre tabindex="0">${escape(json(value).trimEnd())}</pre>`;

class Renderer {
  constructor(document) {
    this.document = document;
  }

  resolve(value) {
    return resolve(this.document, value);
  }

  /** A schema in a few words, with a link to a schema that has a name. */
  type(schema) {
    if (!schema) return "";
    const { value, name } = this.resolve(schema);
    if (name) return `<a href="#${this.id(name)}">${escape(name)}</a>`;
    const many = value.oneOf ?? value.anyOf ?? value.allOf;
    if (many) return many.map((one) => this.type(one)).join(value.allOf ? " and " : " or ");
    if (value.const !== undefined) return code(JSON.stringify(value.const));
    if (value.enum) return value.enum.map((one) => code(JSON.stringify(one))).join(", ");
    if (value.type === "array") return `list of ${this.type(value.items) || "values"}`;
    const types = [value.type ?? "any"].flat().join(" or ");
    const bounds = [
      value.format,
      value.minimum !== undefined && `at least ${value.minimum}`,
      value.maximum !== undefined && `at most ${value.maximum}`,
      value.maxLength !== undefined && `at most ${value.maxLength} characters`,
      value.default !== undefined && `default ${JSON.stringify(value.default)}`,
    ].filter(Boolean);
    return escape(bounds.length > 0 ? `${types} (${bounds.join(", ")})` : types);
  }

  id(name) {
    return `${this.document.info.title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}-${name}`;
  }

  table(heads, rows) {
    if (rows.length === 0) return "";
    const head = heads.map((one) => `<th scope="col">${one}</th>`).join("");
    const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join("")}</tr>`).join("\n");
    const table = `<table><thead><tr>${head}</tr></thead><tbody>\n${body}\n</tbody></table>`;
    return `<div class="scroll" tabindex="0">${table}</div>`;
  }

  parameters(item, operation) {
    const all = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(
      (one) => this.resolve(one).value,
    );
    const rows = all.map((one) => [
      `${code(one.name)}${one.required ? " (required)" : ""}`,
      escape(one.in),
      this.type(one.schema),
      inline(one.description),
    ]);
    return rows.length > 0
      ? `<h4>Parameters</h4>${this.table(["Name", "Where", "Type", "Meaning"], rows)}`
      : "";
  }

  content(content) {
    return Object.entries(content ?? {}).map(([type, media]) => {
      const examples = Object.entries(media.examples ?? {}).map(([name, one]) => {
        const { value } = this.resolve(one);
        const title = inline(value.summary ?? name);
        return `<details><summary>Example: ${title}</summary>${pre(value.value)}</details>`;
      });
      if (media.example !== undefined)
        examples.push(`<details><summary>Example</summary>${pre(media.example)}</details>`);
      const schema = this.type(media.schema);
      return `<p>${code(type)}${schema ? `: ${schema}` : ""}</p>${examples.join("\n")}`;
    });
  }

  responses(responses) {
    const parts = Object.entries(responses ?? {}).map(([status, answer]) => {
      const { value, name } = this.resolve(answer);
      const first = inline(value.description.split(/(?<=[.])\s/)[0]);
      // Many operations share an answer, which is shown once.
      if (name) return `<p>${code(status)} <a href="#${this.id(`answer-${name}`)}">${first}</a></p>`;
      const all = `<div class="inner">${this.answer(value)}</div>`;
      return `<details><summary>${code(status)} ${first}</summary>${all}</details>`;
    });
    return `<h4>Answers</h4>${parts.join("\n")}`;
  }

  /** A part of the page that other parts link to. */
  named(id, title, content) {
    return `<section class="schema" id="${this.id(id)}"><h4>${escape(title)}</h4>${content}</section>`;
  }

  answer(value) {
    const headers = Object.entries(value.headers ?? {}).map(([name, header]) => [
      code(name),
      inline(this.resolve(header).value.description),
    ]);
    return [
      prose(value.description),
      ...this.content(value.content),
      this.table(["Header", "Meaning"], headers),
    ].join("\n");
  }

  sharedAnswers() {
    return Object.entries(this.document.components?.responses ?? {}).map(
      ([name, value]) =>
        this.named(`answer-${name}`, name, this.answer(value)),
    );
  }

  security(operation) {
    const names = (operation.security ?? this.document.security ?? []).map((one) =>
      Object.keys(one).map(code).join(" and "),
    );
    const given = names.filter(Boolean);
    if (given.length === 0) return "<p>No credential is needed.</p>";
    const optional = given.length < names.length ? ", or none if the gateway lets everyone read" : "";
    return `<p>Credential: ${given.join(", ")}${optional}.</p>`;
  }

  operation(path, item, method) {
    const operation = item[method];
    const body = operation.requestBody && this.resolve(operation.requestBody).value;
    return `<section class="operation" id="${escape(operation.operationId)}">
<h3><span class="method ${method}">${method.toUpperCase()}</span> <code>${escape(path)}</code></h3>
<p class="summary">${inline(operation.summary)}</p>
${prose(operation.description)}${this.security(operation)}${this.parameters(item, operation)}
${body ? `<h4>Body</h4>${prose(body.description)}${this.content(body.content).join("\n")}` : ""}
${this.responses(operation.responses)}
</section>`;
  }

  schemas() {
    return Object.entries(this.document.components?.schemas ?? {}).map(([name, schema]) => {
      // The parts of `allOf` without a name are shown here. The page shows the others by their names.
      const [bases, inner] = [true, false].map((named) =>
        (schema.allOf ?? []).filter(({ $ref }) => Boolean($ref) === named),
      );
      const parts = [schema, ...inner];
      const required = new Set(parts.flatMap((part) => part.required ?? []));
      const properties = parts.flatMap((part) => Object.entries(part.properties ?? {}));
      const rows = properties.map(([property, value]) => [
        `${code(property)}${required.has(property) ? "" : " (optional)"}`,
        this.type(value),
        inline(this.resolve(value).value.description),
      ]);
      const names = bases.map((base) => this.type(base)).join(" and ");
      const before = names ? `<p>The fields of ${names}, and these:</p>` : "";
      const table = before + this.table(["Field", "Type", "Meaning"], rows);
      const own = rows.length > 0 ? table : `<p>${this.type(schema)}</p>`;
      return this.named(name, name, `${prose(schema.description)}${own}`);
    });
  }

  /** All operations, grouped by their first tag, in the order of the tags. */
  tags() {
    return this.document.tags.map(({ name, description }) => {
      const operations = Object.entries(this.document.paths).flatMap(([path, item]) =>
        METHODS.filter((method) => item[method]?.tags[0] === name).map((method) => ({ path, item, method })),
      );
      return { name, description, operations };
    });
  }

  securitySchemes() {
    const rows = Object.entries(this.document.components?.securitySchemes ?? {}).map(
      ([name, { description }]) => [code(name), inline(description)],
    );
    return this.table(["Credential", "Meaning"], rows);
  }

  navigation() {
    const groups = this.tags().map(({ name, operations }) => {
      const links = operations.map(({ path, item, method }) => {
        const { operationId } = item[method];
        const name = `<span class="method ${method}">${method.toUpperCase()}</span> ${escape(path)}`;
        return `<li><a href="#${escape(operationId)}">${name}</a></li>`;
      });
      return `<details open><summary>${escape(name)}</summary><ul>\n${links.join("\n")}\n</ul></details>`;
    });
    return `<h2>${escape(this.document.info.title)}</h2>\n${groups.join("\n")}`;
  }

  main(file, streams) {
    const groups = this.tags().map(({ name, description, operations }) => {
      const shown = operations.map(({ path, item, method }) => this.operation(path, item, method));
      return `<h2>${escape(name)}</h2>${prose(description)}${shown.join("\n")}`;
    });
    const { title, description } = this.document.info;
    const also = streams ? `, <a href="./openapi/${streams}">${escape(streams)}</a> (AsyncAPI 3)` : "";
    return `<h1>${escape(title)}</h1>
<p>For machines: <a href="./openapi/${file}">${escape(file)}</a> (OpenAPI 3.1)${also}</p>
${prose(description)}<h2>Credentials</h2>${this.securitySchemes()}${groups.join("\n")}
<h2>Shared answers</h2>${this.sharedAnswers().join("\n")}
<h2>Schemas</h2>${this.schemas().join("\n")}`;
  }
}

/**
 * The page of several documents. The addresses in the page are relative, as the gateway requires.
 *
 * @param {any[]} documents
 * @param {string[]} files The names of the documents below `/openapi/`.
 * @param {string} streams The name of the file that describes the streams of the first document.
 */
export function render(documents, files, streams) {
  const renderers = documents.map((document) => new Renderer(document));
  return `<!doctype html>
<!-- Generated by .ci/openapi/check.mjs from openapi/. Do not edit this file. -->
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>OASIS DevHub: the API</title>
<link rel="stylesheet" href="./-/HASH/app/base.css">
<link rel="stylesheet" href="./-/HASH/app/docs/docs.css">
</head>
<body class="docs">
<a class="skip" href="#main">Skip to content</a>
<nav aria-label="Operations">
<p><a href="./">OASIS DevHub</a></p>
${renderers.map((one) => one.navigation()).join("\n")}
</nav>
<main id="main" tabindex="-1">
${renderers.map((one, nth) => one.main(files[nth], nth === 0 ? streams : null)).join("\n")}
</main>
</body>
</html>
`;
}
