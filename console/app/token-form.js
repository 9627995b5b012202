// The form that asks for a token. The token is kept until the tab is closed.

import { h, on } from "./dom.js";
import { keepToken, TOKEN } from "./settings.js";

/** @param {string} [id] The id of the field. It must differ if a page has two of these forms. */
export function tokenForm(id = "token") {
  const input = h("input", {
    type: "password",
    id,
    autocomplete: "off",
    required: true,
    pattern: `\\s*${TOKEN}\\s*`,
    title: "Letters, digits and punctuation, no spaces",
  });
  const form = h(
    "form.token",
    h("label", { for: id }, "Token"),
    input,
    h("button.small", { type: "submit" }, "Use token"),
  );
  on(form, "submit", (event) => {
    event.preventDefault();
    keepToken(input.value.trim());
    location.reload();
  });
  return form;
}
