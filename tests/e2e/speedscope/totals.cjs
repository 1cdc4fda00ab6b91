// Opens files with speedscope itself, and prints what it makes of them:
//
//     node totals.cjs NODE_MODULES FILE…
//     [{"name": …, "active": 0, "profiles": [{"name", "unit", "total", "frames": [{"name", "file", "self", "total"}]}]}]
//
// Its package has one file, made for browsers. That is run here up to where it would put its page
// into the document; then its importer is called, the one that a file goes to that is dropped there.
// The version is fixed (package-lock.json): where its text is another one, this says so.

"use strict";

const fs = require("fs");
const path = require("path");
const vm = require("vm");

const [modules, ...files] = process.argv.slice(2);

// Stands for anything that a browser has: whatever is asked of it, it is there, and does nothing.
function anything() {
  return new Proxy(function () {}, {
    get: (_, key) => (key === Symbol.toPrimitive ? () => "" : anything()),
    set: () => true,
    apply: () => anything(),
    construct: () => anything(),
  });
}

function loadImporter() {
  const dist = path.join(modules, "speedscope", "dist", "release");
  const name = fs.readdirSync(dist).find((name) => /^speedscope-.*\.js$/.test(name));
  const text = fs.readFileSync(path.join(dist, name), "utf8");
  const exported = /\w+\((\w+),\{importFromFileSystemDirectoryEntry:/.exec(text);
  const load = exported && text.match(
    new RegExp(String.raw`Promise\.resolve\(\)\.then\(\(\)=>\(\w+\(\),${exported[1]}\)\)`));
  const page = text.indexOf("console.log(`speedscope v");
  if (!load || page < 0) {
    throw new Error(`${name} is not the speedscope that this was written for`);
  }
  const browser = anything();
  const context = {
    console: { log() {}, warn() {}, error: console.error, time() {}, timeEnd() {} },
    self: browser, window: browser, document: browser, navigator: { platform: "", userAgent: "" }, localStorage: browser,
    location: { hash: "", search: "" }, setTimeout, clearTimeout, TextDecoder, TextEncoder, URL, atob, performance,
  };
  const code = `${text.slice(0, page)};globalThis.importer=${load[0]};})();`;
  vm.runInNewContext(code, context, { filename: name, displayErrors: false });
  return context.importer;
}

async function main() {
  const importer = await loadImporter();
  const answers = [];
  for (const file of files) {
    const group = await importer.importProfileGroupFromText(path.basename(file), fs.readFileSync(file, "utf8"));
    if (group === null) {
      throw new Error(`speedscope does not know what ${file} is`);
    }
    answers.push({
      name: group.name,
      active: group.indexToView,
      profiles: group.profiles.map((profile) => {
        const frames = [];
        profile.forEachFrame((frame) => frames.push({
          name: frame.name, file: frame.file, self: frame.getSelfWeight(), total: frame.getTotalWeight(),
        }));
        return { name: profile.getName(), unit: profile.getWeightUnit(), total: profile.getTotalWeight(), frames };
      }),
    });
  }
  process.stdout.write(JSON.stringify(answers));
}

main().catch((error) => {
  console.error(String(error.stack || error).slice(0, 2000));
  process.exit(1);
});
