// Says which arm each key has, by flagd's own evaluator, which first holds the definition against flagd's schema.
//   node flag-arms.cjs FOLDER      FOLDER holds node_modules; standard input is JSON {definition, flag, keys}, standard
//                                  output the list of arms; a definition that the schema refuses ends it with an error
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const { FlagdCore, MemoryStorage } = createRequire(join(process.argv[2], "x.js"))("@openfeature/flagd-core");
const silent = { error() {}, warn() {}, info() {}, debug() {} };
const { definition, flag, keys } = JSON.parse(readFileSync(0, "utf8"));
const storage = new MemoryStorage(silent);
storage.setConfigurations(definition, true); // strictly: what the evaluator does by itself, it only logs
const core = new FlagdCore(storage, silent);
const arms = keys.map((key) => core.resolveStringEvaluation(flag, "none", key ? { targetingKey: key } : {}, silent).value);
process.stdout.write(JSON.stringify(arms));
