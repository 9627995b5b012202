// Reads the events of the query API (a JSON array on standard input) and prints them as sorted lines. The
// lines are the same in every run: ids are left out, and a time that is not from the payload becomes
// `received`.

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
