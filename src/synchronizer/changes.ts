import type { ChangeEvent, ChangePage, ChangesOptions, ReadChangesOptions } from "../feed/change-options.ts";
import type { ChangeStream } from "../feed/change-stream.ts";
import type { CallScope } from "./call-scope.ts";
import type { CallOptions } from "./calls.ts";

export interface ChangesParts {
  readonly scope: CallScope;
  readonly stream: ChangeStream;
}

/** The façade's calls that follow the change feed. `MemorySynchronizer` documents them. */
export class Changes {
  readonly #parts: ChangesParts;

  constructor(parts: ChangesParts) {
    this.#parts = parts;
  }

  changes(options: ChangesOptions): AsyncGenerator<ChangeEvent, void, undefined> {
    const { scope, stream } = this.#parts;
    scope.assertOpen();
    return stream.stream(options);
  }

  async readChanges(options: ReadChangesOptions & CallOptions): Promise<ChangePage> {
    const { scope, stream } = this.#parts;
    const { signal, timeoutMs, ...query } = options;
    return await scope.run("readChanges", { signal, timeoutMs }, (deadline) => stream.read(query, deadline));
  }
}
