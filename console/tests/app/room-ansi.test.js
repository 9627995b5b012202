import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAnsi, plainText } from "../../app/rooms/ansi.js";
import { contrast, look, onColour, onPage, rgbOf } from "../../app/rooms/colour.js";
import { pick, seeded } from "../client/clock.js";

const ESC = "\u001b";
const BEL = "\u0007";

/** The segments in short: the text, and the parts of the style that are set. @param {string} text */
const short = (text) =>
  parseAnsi(text).map(({ text, style }) => [
    text,
    Object.fromEntries(Object.entries(style ?? {}).filter(([, value]) => value !== null && value !== false)),
  ]);

test("colours and styles become segments, whose joined text is the plain text", () => {
  for (const [text, segments] of /** @type {[string, unknown][]} */ ([
    ["", []],
    ["plain\ttext\n", [["plain\ttext\n", {}]]],
    [
      `${ESC}[32mgreen${ESC}[0m.`,
      [
        ["green", { fg: 2 }],
        [".", {}],
      ],
    ],
    [`${ESC}[mplain`, [["plain", {}]]],
    [
      `${ESC}[1;4;31mx${ESC}[22my${ESC}[24;39mz`,
      [
        ["x", { bold: true, underline: true, fg: 1 }],
        ["y", { underline: true, fg: 1 }],
        ["z", {}],
      ],
    ],
    [`${ESC}[97;100mx`, [["x", { fg: 15, bg: 8 }]]],
    [
      `${ESC}[38;5;208mx${ESC}[48;5;21my`,
      [
        ["x", { fg: 208 }],
        ["y", { fg: 208, bg: 21 }],
      ],
    ],
    [`${ESC}[38;2;1;2;3;1mx`, [["x", { fg: [1, 2, 3], bold: true }]]],
    [`${ESC}[38:2::1:2:3;1mx`, [["x", { fg: [1, 2, 3], bold: true }]]],
    [
      `${ESC}[38:5:9mx${ESC}[4:0my`,
      [
        ["x", { fg: 9 }],
        ["y", { fg: 9 }],
      ],
    ],
    [
      `${ESC}[2;3;7;9mx${ESC}[23;27;29my`,
      [
        ["x", { dim: true, italic: true, inverse: true, strike: true }],
        ["y", { dim: true }],
      ],
    ],
    ["\u009b31mx", [["x", { fg: 1 }]]],
    // Two sequences without an effect do not split the text.
    [`a${ESC}[0mb${ESC}[39mc`, [["abc", {}]]],
  ])) {
    assert.deepEqual(short(text), segments, JSON.stringify(text));
    assert.equal(
      plainText(text),
      parseAnsi(text)
        .map((segment) => segment.text)
        .join(""),
    );
  }
});

test("all other sequences and control characters are removed or made visible, and no text is hidden", () => {
  for (const [text, shown] of [
    [`${ESC}[2J${ESC}[Hx${ESC}[1A${ESC}[?25l`, "x"],
    [`${ESC}]0;a title${BEL}x`, "x"],
    [`${ESC}]8;;https://evil.example${ESC}\\link${ESC}]8;;${ESC}\\`, "link"],
    [`${ESC}P1$r0m${ESC}\\x${ESC}_hidden${ESC}\\y`, "xy"],
    [`${ESC}(B${ESC}7x${ESC}8${ESC}c`, "x"],
    // Nothing ends these sequences, so their text is shown.
    [`${ESC}]0;the rest`, "0;the rest"],
    [`${ESC}Pthe rest`, "the rest"],
    [`${ESC}[38;5`, ""],
    [`${ESC}[31${BEL}x`, "\u2407x"],
    [ESC, ""],
    [`${ESC}[8mno secret`, "no secret"],
    ["10%\r20%\r\n30%\r", "10%\n20%\n30%"],
    ["a\u0000b\u0008c\u007fd\u0085e", "a\u2400b\u2408c\u2421de"],
    [`${ESC}[>4;1mx${ESC}[31 mx${ESC}[<5my`, "xxy"],
    [`${ESC}#8${ESC} Fx`, "x"],
  ]) {
    assert.equal(plainText(text ?? ""), shown, JSON.stringify(text));
  }
});

test("wrong parameters change nothing that they do not name", () => {
  for (const text of [
    "38",
    "38;5",
    "38;5;256",
    "38;5;x",
    "38;2;1;2",
    "38;2;1;2;300",
    "38;9;1",
    "999",
    ";;;",
    "58;5;1",
  ])
    assert.deepEqual(
      short(`${ESC}[${text}mx`).map(([, style]) =>
        Object.keys(/** @type {object} */ (style)).filter((name) => name === "fg" || name === "bg"),
      ),
      [[]],
      text,
    );
});

test("any input is parsed without an error, into text without control characters, in linear time", () => {
  const random = seeded(21);
  const parts = [
    ESC,
    "[",
    "]",
    "m",
    ";",
    ":",
    "38",
    "48",
    "5",
    "2",
    "255",
    "P",
    "\\",
    BEL,
    "\u009b",
    "\r",
    "\n",
    "\t",
    "<b>",
    "x",
    " ",
    "?",
    "\ud800",
    "é",
    "🚀",
    "\u0000",
  ];
  for (let round = 0; round < 5_000; round++) {
    let text = "";
    for (let length = pick(random, 0, 40); length > 0; length--)
      text += parts[pick(random, 0, parts.length - 1)];
    const segments = parseAnsi(text);
    for (const { text, style } of segments) {
      assert.notEqual(text, "");
      for (const character of text) {
        const code = character.codePointAt(0) ?? 0;
        assert.ok(
          code >= 0x20 ? code < 0x7f || code > 0x9f : code === 9 || code === 10,
          JSON.stringify(text),
        );
      }
      if (style) look(style);
    }
    assert.equal(plainText(plainText(text)), plainText(text));
  }
  const begin = performance.now();
  for (const unit of [
    `${ESC}]`,
    `${ESC}[`,
    `${ESC}P`,
    `${ESC}[1;`,
    `${ESC}[${"1;".repeat(200)}m`,
    `${ESC}[31mx`,
  ])
    parseAnsi(unit.repeat(Math.ceil(8_192 / unit.length)));
  assert.ok(performance.now() - begin < 1_000);
});

test("each colour is readable on the page in both themes", () => {
  const light = /** @type {const} */ ([236, 238, 246]);
  const dark = /** @type {const} */ ([44, 37, 34]);
  for (let colour = 0; colour < 256; colour++) {
    const shown = onPage(colour);
    assert.ok(contrast(shown.light, light) >= 4.5, `${colour} light`);
    assert.ok(contrast(shown.dark, dark) >= 4.5, `${colour} dark`);
    for (const text of [null, 0, 7, 15, 196])
      assert.ok(contrast(onColour(text, colour), rgbOf(colour)) >= 4.5, `${text} on ${colour}`);
  }
  const random = seeded(5);
  for (let round = 0; round < 500; round++) {
    const part = () => pick(random, 0, 255);
    const rgb = /** @type {const} */ ([part(), part(), part()]);
    const shown = onPage(rgb);
    assert.ok(contrast(shown.light, light) >= 4.5 && contrast(shown.dark, dark) >= 4.5, String(rgb));
    assert.ok(contrast(onColour(rgb, rgb), rgb) >= 4.5, String(rgb));
  }
});

test("a style gets classes and colours", () => {
  const [segment] = parseAnsi(`${ESC}[1;7mx`);
  assert.deepEqual(segment?.style && look(segment.style), {
    classes: ["t-bold", "t-inverse"],
    color: null,
    background: null,
  });
  const [other] = parseAnsi(`${ESC}[7;31mx`);
  assert.deepEqual(other?.style && look(other.style), {
    classes: [],
    color: "rgb(255 255 255)",
    background: "rgb(205 49 49)",
  });
});
