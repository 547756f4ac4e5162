import type { LightRagClient } from "./client.ts";
import type { RagDocument } from "./documents.ts";
import { isDocumentName } from "./names.ts";

/** The documents of a server that may be ours, from one complete listing. */
export class Inventory {
  readonly #byName = new Map<string, RagDocument[]>();
  readonly #byId = new Map<string, RagDocument>();

  static async read(client: Pick<LightRagClient, "documents">, signal: AbortSignal): Promise<Inventory> {
    const inventory = new Inventory();
    for await (const document of client.documents(signal)) inventory.#add(document);
    return inventory;
  }

  /** Names are not unique on 1.4: several documents may have one. */
  named(name: string): readonly RagDocument[] {
    return this.#byName.get(name) ?? [];
  }

  withId(id: string): RagDocument | null {
    return this.#byId.get(id) ?? null;
  }

  #add(document: RagDocument): void {
    if (!isDocumentName(document.name)) return;
    // A document that changed its page while they were read comes twice.
    const others = this.named(document.name).filter(({ id }) => id !== document.id);
    this.#byName.set(document.name, [...others, document]);
    this.#byId.set(document.id, document);
  }
}
