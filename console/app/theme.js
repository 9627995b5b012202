// Before the first paint, and so not a module: the theme that was chosen.

try {
  const theme = JSON.parse(localStorage.getItem("oasis.theme") ?? "null");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // The system's, then.
}
