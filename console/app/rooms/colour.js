// Chooses the colours of styled text. A program chose its colours for its own terminal, so a colour is moved
// towards black or white until it is readable on the page's background, in the light and in the dark theme.

/** @typedef {import("./ansi.js").Colour} Colour */
/** @typedef {import("./ansi.js").Style} Style */
/** @typedef {readonly [number, number, number]} Rgb */

/** The 16 named colours. */
/** @type {readonly Rgb[]} */
const NAMED = [
  [40, 44, 52],
  [205, 49, 49],
  [13, 160, 90],
  [180, 140, 20],
  [36, 114, 200],
  [188, 63, 188],
  [17, 148, 180],
  [200, 200, 200],
  [110, 114, 122],
  [241, 76, 76],
  [35, 209, 139],
  [230, 210, 70],
  [70, 150, 240],
  [214, 112, 214],
  [41, 184, 219],
  [255, 255, 255],
];
const STEPS = [0, 95, 135, 175, 215, 255];

/** The darkest background of a line in the light theme, and the lightest one in the dark theme. */
/** @type {Rgb} */
const LIGHT = [236, 238, 246];
/** @type {Rgb} */
const DARK = [44, 37, 34];
/** @type {Rgb} */
const BLACK = [0, 0, 0];
/** @type {Rgb} */
const WHITE = [255, 255, 255];

/** The contrast that WCAG 2 demands of text (level AA). */
const READABLE = 4.5;

/** @param {Colour} colour @returns {Rgb} */
export function rgbOf(colour) {
  if (typeof colour !== "number") return colour;
  const named = NAMED[colour];
  if (named) return named;
  if (colour >= 232) {
    const grey = 8 + 10 * (colour - 232);
    return [grey, grey, grey];
  }
  const at = colour - 16;
  const step = (/** @type {number} */ index) => STEPS[index] ?? 0;
  return [step(Math.floor(at / 36)), step(Math.floor(at / 6) % 6), step(at % 6)];
}

/** The relative luminance (WCAG 2). @param {Rgb} rgb */
function luminance([r, g, b]) {
  const linear = (/** @type {number} */ part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

/** @param {Rgb} a @param {Rgb} b */
export function contrast(a, b) {
  const [la, lb] = [luminance(a), luminance(b)];
  return (Math.max(la, lb) + 0.05) / (Math.min(la, lb) + 0.05);
}

/**
 * Moves a colour towards `target` until its contrast with the background is readable.
 *
 * @param {Rgb} rgb
 * @param {Rgb} background
 * @param {Rgb} target
 * @returns {Rgb}
 */
function readable(rgb, background, target) {
  for (let share = 0; share < 1; share += 0.05) {
    const [r, g, b] = rgb.map((part, i) => Math.round(part + ((target[i] ?? 0) - part) * share));
    /** @type {Rgb} */
    const moved = [r ?? 0, g ?? 0, b ?? 0];
    if (contrast(moved, background) >= READABLE) return moved;
  }
  return target;
}

/** @param {Colour} colour @returns {{ light: Rgb, dark: Rgb }} */
export function onPage(colour) {
  const rgb = rgbOf(colour);
  return { light: readable(rgb, LIGHT, BLACK), dark: readable(rgb, DARK, WHITE) };
}

/**
 * The colour of text on a coloured background.
 *
 * @param {Colour | null} colour
 * @param {Colour} background
 */
export function onColour(colour, background) {
  const behind = rgbOf(background);
  if (colour !== null && contrast(rgbOf(colour), behind) >= READABLE) return rgbOf(colour);
  return contrast(BLACK, behind) >= contrast(WHITE, behind) ? BLACK : WHITE;
}

/** @param {Rgb} rgb */
const css = (rgb) => `rgb(${rgb.join(" ")})`;

/**
 * The classes and the colours of a style, as values of CSS.
 *
 * @param {Style} style
 * @returns {{ classes: string[], color: string | null, background: string | null }}
 */
export function look({ fg, bg, inverse, ...flags }) {
  const classes = Object.entries(flags).flatMap(([name, isSet]) => (isSet ? [`t-${name}`] : []));
  const [text, behind] = inverse ? [bg, fg] : [fg, bg];
  // The colours of the page itself, exchanged.
  if (inverse && behind === null)
    return { classes: [...classes, "t-inverse"], color: null, background: null };
  if (behind !== null) return { classes, color: css(onColour(text, behind)), background: css(rgbOf(behind)) };
  if (text === null) return { classes, color: null, background: null };
  const { light, dark } = onPage(text);
  return { classes, color: `light-dark(${css(light)}, ${css(dark)})`, background: null };
}
