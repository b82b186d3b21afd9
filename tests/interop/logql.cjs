// logql.cjs GRAMMAR FILE: every line of FILE is an expression of LogQL.
const { parser } = require(process.argv[2]);
const lines = require("fs").readFileSync(process.argv[3], "utf8").trimEnd().split("\n");
for (const line of lines) {
  const cursor = parser.parse(line).cursor();
  do {
    if (cursor.type.isError) {
      console.log(`at ${cursor.from}: ${line.slice(0, cursor.from)} <-- ${line.slice(cursor.from)}`);
      process.exit(1);
    }
  } while (cursor.next());
}
console.log(`${lines.length} expressions`);
