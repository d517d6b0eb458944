// Judges custom resources twice, as their CRDs would: by values (patterns, ranges, what is required) with the validators
// of @kubernetes-models, and by names (no unknown field) with the types of the same packages.
//   node custom-kinds.mjs FOLDER      FOLDER holds node_modules; standard input is a JSON list of {label, path, object},
//                                     where path is the module of the kind; every finding is a line of standard output
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const ts = createRequire(join(folder, "x.js"))("typescript");
const found = [];

function known({ label, path, object }) {
  const there = ts.sys.fileExists(join(folder, "node_modules", `${path}.d.ts`));
  if (!there) found.push(`${label}: no schema for ${object.kind} of ${object.apiVersion}`);
  return there;
}

async function values({ label, path, object }) {
  const model = (await import(pathToFileURL(join(folder, "node_modules", `${path}.js`))))[object.kind];
  try {
    new model(object).validate();
  } catch (error) {
    found.push(`${label}: ${error.message}`);
  }
}

function names(objects) {
  const root = join(folder, "objects.ts");
  const lines = objects.map(
    ({ path, object }) => `export const o: import("${path}").I${object.kind} = ${JSON.stringify(object)};`,
  );
  const text = lines.map((line, index) => line.replace("const o:", `const o${index}:`)).join("\n");
  const options = {
    strict: true, noEmit: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
  };
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile;
  host.getSourceFile = (name, ...rest) =>
    name === root ? ts.createSourceFile(name, text, options.target) : read(name, ...rest);
  const program = ts.createProgram([root], options, host);
  for (const finding of ts.getPreEmitDiagnostics(program)) {
    const line = finding.file ? finding.file.getLineAndCharacterOfPosition(finding.start).line : 0;
    found.push(`${objects[line].label}: ${ts.flattenDiagnosticMessageText(finding.messageText, " ")}`);
  }
}

const objects = JSON.parse(readFileSync(0, "utf8")).filter(known);
for (const object of objects) await values(object);
names(objects);
process.stdout.write(found.map((line) => `${line}\n`).join(""));
