// Prints what the query API gave (a JSON array on standard input) as sorted lines that are the same in every
// run: without ids, and with `received` for a time that the payload did not give.

const began = process.argv[2];
let text = "";
for await (const chunk of process.stdin) text += chunk;

const sorted = (value) =>
  Array.isArray(value)
    ? value.map(sorted)
    : value && typeof value === "object"
      ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]))
      : value;

const line = ({ id, recorded_at, channel, ts, meta, ...fields }) =>
  JSON.stringify({ ...fields, ts: ts >= began ? "received" : ts, meta: sorted(meta) });

console.log(JSON.parse(text).map(line).sort().join("\n"));
