// The button that switches the theme. The page follows the system's theme until the user chooses the other
// theme.

import { fill, on } from "./dom.js";
import { icon } from "./labels.js";
import { onChangeElsewhere, recall, remember } from "./settings.js";

/** @param {HTMLElement} button */
export function makeThemeButton(button) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let theme = recall("theme");
  const isDark = () => (theme ? theme === "dark" : dark.matches);
  const other = () => (isDark() ? "light" : "dark");
  const show = () => {
    const { dataset } = document.documentElement;
    if (theme) dataset.theme = theme;
    else delete dataset.theme;
    button.ariaLabel = `Use the ${other()} theme`;
    button.title = isDark() ? "Light theme" : "Dark theme";
  };
  on(button, "click", () => {
    // If the user switches back to the system's theme, the page follows the system again.
    theme = isDark() === dark.matches ? other() : null;
    remember("theme", theme);
    show();
  });
  onChangeElsewhere("theme", () => {
    theme = recall("theme");
    show();
  });
  on(dark, "change", show);
  fill(button, icon("theme"));
  show();
}
