// Applies the chosen theme. This script is not a module, so it runs before the first paint.

try {
  const theme = JSON.parse(localStorage.getItem("oasis.theme") ?? "null");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Without storage, the page follows the system's theme.
}
