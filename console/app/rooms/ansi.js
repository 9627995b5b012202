// Reads the escape sequences of terminals in log lines. Colours and styles become data, and all other
// sequences are removed. The text itself is never hidden: a log line is untrusted, and a reader must see all
// of it.

/** A colour: the number of a colour of the palette (0 to 255), or its red, green and blue parts. */
/** @typedef {number | readonly [number, number, number]} Colour */

/**
 * @typedef {object} Style
 * @property {Colour | null} fg
 * @property {Colour | null} bg
 * @property {boolean} bold
 * @property {boolean} dim
 * @property {boolean} italic
 * @property {boolean} underline
 * @property {boolean} strike
 * @property {boolean} inverse
 */

/** @typedef {{ text: string, style: Style | null }} Segment A style of null means plain text. */

const ESC = 0x1b;
const BEL = 0x07;
const CSI = 0x9b;
/** The maximum number of parameters of one sequence. */
const MOST_PARAMETERS = 64;

/** @type {Readonly<Style>} */
const PLAIN = Object.freeze({
  fg: null,
  bg: null,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  strike: false,
  inverse: false,
});

/** Matches a character that is not shown as it is: a control character, but not a tab or a line feed. */
const SPECIAL = /(?![\t\n])\p{Cc}/u;

/**
 * Splits a text into segments of one style each. Joined, the texts of the segments are the plain text.
 *
 * @param {string} text
 * @returns {Segment[]}
 */
export function parseAnsi(text) {
  if (!SPECIAL.test(text)) return text === "" ? [] : [{ text, style: null }];
  /** @type {Segment[]} */
  const segments = [];
  /** @type {Readonly<Style>} */
  let style = PLAIN;
  let from = 0;
  let plain = "";
  const flush = () => {
    if (plain === "") return;
    segments.push({ text: plain, style: style === PLAIN ? null : style });
    plain = "";
  };
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at);
    const isShown = code >= 0x20 ? code < 0x7f || code > 0x9f : code === 0x0a || code === 0x09;
    if (isShown) {
      at += 1;
      continue;
    }
    plain += text.slice(from, at);
    const end = code === ESC || code === CSI ? endOfSequence(text, at) : at + 1;
    if (code === ESC || code === CSI) {
      const next = restyled(text, at, end, style);
      if (next !== style) {
        flush();
        style = next;
      }
    } else plain += shownControl(code, text.charCodeAt(end));
    at = from = end;
  }
  plain += text.slice(from);
  flush();
  return segments;
}

/** The text without escape sequences. @param {string} text */
export const plainText = (text) =>
  SPECIAL.test(text)
    ? parseAnsi(text)
        .map((segment) => segment.text)
        .join("")
    : text;

/**
 * What is shown for a control character: a line break for a carriage return, a picture for the others. The
 * characters from U+0080 on have no picture.
 *
 * @param {number} code
 * @param {number} next The character after it.
 */
function shownControl(code, next) {
  if (code === 0x0d) return next === 0x0a || Number.isNaN(next) ? "" : "\n";
  if (code === 0x7f) return "\u2421";
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : "";
}

/**
 * The end of the escape sequence at `at`. If the sequence is a string without an end, only its introducer is
 * a part of it, so that the rest of the line is shown.
 *
 * @param {string} text
 * @param {number} at
 */
function endOfSequence(text, at) {
  const isLong = text.charCodeAt(at) === ESC;
  const kind = isLong ? text.charAt(at + 1) : "[";
  let end = at + (isLong ? 2 : 1);
  if (kind === "[") {
    while (isIn(text, end, 0x30, 0x3f)) end += 1;
    while (isIn(text, end, 0x20, 0x2f)) end += 1;
    return isIn(text, end, 0x40, 0x7e) ? end + 1 : end;
  }
  if (kind !== "" && "]PX^_".includes(kind)) {
    const begin = end;
    for (; end < text.length; end++) {
      const code = text.charCodeAt(end);
      if (code === BEL) return end + 1;
      if (code === ESC) return text.charAt(end + 1) === "\\" ? end + 2 : begin;
    }
    return begin;
  }
  end = at + 1;
  while (isIn(text, end, 0x20, 0x2f)) end += 1;
  return isIn(text, end, 0x30, 0x7e) ? end + 1 : end;
}

/** @param {string} text @param {number} at @param {number} least @param {number} most */
function isIn(text, at, least, most) {
  const code = text.charCodeAt(at);
  return code >= least && code <= most;
}

/**
 * The style after an escape sequence. Returns `style` itself if the sequence changes no style.
 *
 * @param {string} text
 * @param {number} at
 * @param {number} end
 * @param {Readonly<Style>} style
 */
function restyled(text, at, end, style) {
  const begin = at + (text.charCodeAt(at) === ESC ? 2 : 1);
  if (text.charAt(end - 1) !== "m" || end <= begin || (begin === at + 2 && text.charAt(at + 1) !== "["))
    return style;
  const parameters = text.slice(begin, end - 1);
  if (!/^[0-9;:]*$/.test(parameters)) return style;
  const list = parameters.split(";", MOST_PARAMETERS);
  let next = { ...style };
  for (let i = 0; i < list.length; i++) {
    const [first = "", ...parts] = (list[i] ?? "").split(":", 8);
    const code = Number(first);
    if (code === 0) next = { ...PLAIN };
    else if (code === 38 || code === 48) {
      const isInline = parts.length > 0;
      const [colour, used] = colourOf(isInline ? parts : list.slice(i + 1, i + 5), isInline);
      if (colour !== null) next[code === 38 ? "fg" : "bg"] = colour;
      if (!isInline) i += used;
    } else change(next, code, parts[0]);
  }
  const isPlain = Object.entries(PLAIN).every(
    ([name, value]) => next[/** @type {keyof Style} */ (name)] === value,
  );
  return isPlain ? PLAIN : next;
}

/** @param {Style} style @param {number} code @param {string | undefined} part */
function change(style, code, part) {
  if (code === 1) style.bold = true;
  else if (code === 2) style.dim = true;
  else if (code === 3) style.italic = true;
  else if (code === 4 || code === 21) style.underline = part !== "0";
  else if (code === 7) style.inverse = true;
  else if (code === 9) style.strike = true;
  else if (code === 22) style.bold = style.dim = false;
  else if (code === 23) style.italic = false;
  else if (code === 24) style.underline = false;
  else if (code === 27) style.inverse = false;
  else if (code === 29) style.strike = false;
  else if (code >= 30 && code <= 37) style.fg = code - 30;
  else if (code === 39) style.fg = null;
  else if (code >= 40 && code <= 47) style.bg = code - 40;
  else if (code === 49) style.bg = null;
  else if (code >= 90 && code <= 97) style.fg = code - 82;
  else if (code >= 100 && code <= 107) style.bg = code - 92;
}

/**
 * Reads the colour after 38 or 48: `5;N` or `2;R;G;B`. With colons, the colour space may come before R.
 *
 * @param {string[]} parts
 * @param {boolean} isInline Whether the parts are separated by colons.
 * @returns {[Colour | null, number]} The colour, or null if it is invalid; and the number of parts.
 */
function colourOf([kind, ...parts], isInline) {
  const byte = (/** @type {string | undefined} */ part) =>
    part && /^[0-9]{1,3}$/.test(part) && Number(part) < 256 ? Number(part) : null;
  if (kind === "5") return [byte(parts[0]), 2];
  if (kind !== "2") return [null, 1];
  const [r, g, b] = (isInline && parts.length > 3 ? parts.slice(1) : parts).map(byte);
  if (r == null || g == null || b == null) return [null, 4];
  return [[r, g, b], 4];
}
