import { writeFileSync } from "node:fs";

/**
 * Reporter for vitest: writes the errors that no test caught beside the JSON report, as `<report>.unhandled`. Such an
 * error makes vitest exit with 1 though all tests passed, and its JSON reporter leaves it out.
 */
export default class UnhandledErrorsReporter {
  #file;

  onInit(vitest) {
    const { outputFile } = vitest.config;
    this.#file = typeof outputFile === "string" ? outputFile : outputFile?.json;
  }

  onTestRunEnd(_modules, errors) {
    if (this.#file === undefined) return;
    const shown = errors.map(({ type, name, message, stack, VITEST_TEST_NAME, VITEST_TEST_PATH }) => ({
      type: type ?? "Unhandled error",
      text: stack ?? `${name}: ${message}`,
      test: VITEST_TEST_NAME,
      file: VITEST_TEST_PATH,
    }));
    writeFileSync(`${this.#file}.unhandled`, JSON.stringify(shown));
  }
}
