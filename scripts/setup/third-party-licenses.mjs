import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, SetupError } from "./report.mjs";

/** Licences that ask for nothing to be passed on; all others do. */
const withoutNotice = ["Unlicense", "CC0-1.0", "0BSD"];

/**
 * Writes the licences of the packages whose files are in the bundle, as these licences require of every copy.
 * @param {readonly string[]} bundledFiles from the root
 * @param {string} path of the file that is written
 * @throws {SetupError} A package has none that could be found.
 */
export function writeThirdPartyLicenses(bundledFiles, path) {
  const folders = new Set(bundledFiles.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []));
  const notices = [...folders].map(noticeOf).sort((a, b) => (a.name < b.name ? -1 : 1));
  const line = "=".repeat(100);
  const head =
    "The program in this folder contains code of the packages below, each under the licence that follows its name.";
  const text = notices.map(({ name, license, notice }) => `${line}\n${name}: ${license}\n\n${notice.trim()}\n`);
  writeFileSync(path, [`${head}\n`, ...text].join("\n"));
}

function noticeOf(/** @type {string} */ folder) {
  const { name, version, license, author } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
  const files = readdirSync(join(root, folder)).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  const texts = files.sort().map((file) => readFileSync(join(root, folder, file), "utf8"));
  const notice = texts.join("\n") || noticeWithoutFile(license, author);
  if (notice) return { name: `${name} ${version}`, license, notice };
  throw new SetupError(
    `${folder} (${license}) is part of the program, and there is no file with its licence`,
    "leave it out of dependencies, or teach scripts/setup/third-party-licenses.mjs where its licence is",
  );
}

/** Of a package that names its licence only; "" where that is not enough to know its words. */
function noticeWithoutFile(/** @type {string} */ license, /** @type {string | { name: string }} */ author) {
  if (withoutNotice.includes(license)) return license;
  if (license !== "MIT" || !author) return "";
  // mnemosync has the same licence.
  const words = readFileSync(join(root, "LICENSE"), "utf8");
  return words.replace(/^Copyright .*$/m, `Copyright (c) ${typeof author === "string" ? author : author.name}`);
}
