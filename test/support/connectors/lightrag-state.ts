import { createHash } from "node:crypto";
import type { SimulatedClock } from "./virtual-clock.ts";

export const VERSIONS = ["1.4.9.9", "1.4.16", "1.5.0", "1.5.4", "1.5.6"] as const;
export type LightRagVersion = (typeof VERSIONS)[number];

export interface StoredDocument {
  readonly id: string;
  readonly text: string;
  /** Null where the insert named none. */
  readonly name: string | null;
  readonly trackId: string;
  status: "pending" | "processing" | "processed" | "failed";
  error: string | null;
  duplicateOf: string | null;
  /** When it is on the disk: a kill before that loses it. */
  readonly durableAt: number;
  /** When listings show it. */
  readonly visibleAt: number;
  /** Marked for a deletion that has not happened yet. */
  deleting: boolean;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Record<string, string>;
}

const VISIBLE_AFTER_MS = 10;
const DURABLE_AFTER_MS = 1_500;
/** Milliseconds that the language model takes for a document, where nothing else is said. */
export const PROCESS_MS = 200;
const RESERVED_NAMES = new Set(["", ".", "no-file-path", "unknown_source"]);

/** The documents of a simulated LightRAG server, and its one pipeline. Behaviour by version, as observed on real servers. */
export class LightRagState {
  readonly documents = new Map<string, StoredDocument>();
  /** Texts that the language model cannot process; all while it is down. */
  modelIsDown = false;
  failsText: (text: string) => boolean = () => false;
  /** 1.5.6 with back-pressure: seconds that the next inserts are told to wait, in order. */
  readonly pressure: number[] = [];
  busy = false;
  #deletes = 0;
  #stuck = false;
  #draining = false;
  #tracks = 0;
  /** Counts the starts of the process: what an earlier one had begun does not go on. */
  #life = 0;
  readonly version: LightRagVersion;
  readonly #clock: SimulatedClock;
  readonly #processMs: number;

  constructor(version: LightRagVersion, clock: SimulatedClock, processMs = PROCESS_MS) {
    this.#processMs = processMs;
    this.version = version;
    this.#clock = clock;
  }

  get isNew(): boolean {
    return this.version.startsWith("1.5");
  }

  insert(text: string, source: string | null): Answer {
    const seconds = this.version === "1.5.6" ? this.pressure.shift() : undefined;
    if (seconds !== undefined)
      return { status: 429, body: { detail: "busy" }, headers: { "retry-after": String(seconds) } };
    if (/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text)) return fault();
    if (text.trim() === "" && this.version === "1.5.6") return fault();
    if (this.version === "1.5.6" && Buffer.byteLength(text) > 52_428_800)
      return { status: 413, body: { detail: "too large" } };
    const name = this.#nameOf(source);
    if (this.isNew && name === null) return { status: 400, body: { detail: "a valid file_source is required" } };
    return this.isNew ? this.#insertNew(text, name ?? "") : this.#insertOld(text, name);
  }

  /** 1.4 looks at names and texts, and stores later: inserts that arrive meanwhile do not see each other. */
  #insertOld(text: string, name: string | null): Answer {
    const clean = sanitized(text);
    const id = `doc-${md5(clean)}`;
    const known = [...this.documents.values()].find(
      (document) => document.id === id || (name !== null && document.name === name),
    );
    if (known !== undefined && known.visibleAt <= this.#clock.now()) {
      const message = `already exists (Status: DocStatus.${known.status.toUpperCase()})`;
      return { status: 200, body: { status: "duplicated", message, track_id: known.trackId } };
    }
    const trackId = this.#track();
    if (!this.documents.has(id)) this.#store(id, clean, name, trackId, null);
    return { status: 200, body: { status: "success", message: "received", track_id: trackId } };
  }

  #insertNew(text: string, name: string): Answer {
    if (this.#deletes > 0) return conflict("the pipeline is deleting documents");
    if (this.#draining) return conflict("a retry of failed documents is draining");
    const clean = sanitized(text);
    const known = [...this.documents.values()].find((document) => document.name === name);
    const blocks = known?.duplicateOf == null || this.version !== "1.5.6";
    if (known !== undefined && blocks) {
      return conflict(`Document storage already contains '${name}' (Status: ${known.status})`);
    }
    const trackId = this.#track();
    const original = [...this.documents.values()].find(
      (document) => document.text === clean && document.duplicateOf === null,
    );
    if (original !== undefined) this.#store(`dup-${md5(name + trackId)}`, clean, name, trackId, original.id);
    else this.#store(`doc-${md5(name)}`, clean, name, trackId, null);
    return { status: 200, body: { status: "success", message: "received", track_id: trackId } };
  }

  #store(id: string, text: string, name: string | null, trackId: string, duplicateOf: string | null): void {
    const now = this.#clock.now();
    this.documents.set(id, {
      ...{ id, text, name, trackId, duplicateOf, deleting: false },
      status: duplicateOf === null ? "pending" : "failed",
      error: duplicateOf === null ? null : "Content already exists",
      visibleAt: now + VISIBLE_AFTER_MS,
      durableAt: now + DURABLE_AFTER_MS,
    });
    // Before 1.5.6 each insert has the failed ones tried again.
    if (this.version !== "1.5.6") this.#wake(true);
    else this.#wake(false);
  }

  /** @returns what a listing by track or page shows. */
  visible(): StoredDocument[] {
    return [...this.documents.values()].filter(({ visibleAt }) => visibleAt <= this.#clock.now());
  }

  /** 1.4.9.9: a document without a name breaks every listing until it is deleted by its id. */
  get listingIsBroken(): boolean {
    return this.version === "1.4.9.9" && this.visible().some(({ name }) => name === null);
  }

  delete(ids: readonly unknown[]): Answer {
    const isValid =
      ids.length > 0 &&
      new Set(ids).size === ids.length &&
      ids.every((id) => typeof id === "string" && id.trim() !== "");
    if (!isValid) return fault();
    if (this.busy || this.#deletes > 0)
      return { status: 200, body: { status: "busy", message: "the pipeline is busy" } };
    this.#deletes++;
    this.busy = true;
    const found = ids.map((id) => this.documents.get(id as string)).filter((document) => document !== undefined);
    for (const document of found) document.deleting = true;
    const duration = (this.isNew ? 300 : 100) * Math.max(1, ids.length);
    const gone = () => {
      for (const { id } of found) this.documents.delete(id);
    };
    // 1.5.0 takes the documents off its listing first and stays busy.
    if (this.version === "1.5.0") this.#after(duration / 2, gone);
    this.#after(duration, () => {
      gone();
      this.#deletes--;
      this.busy = false;
      this.#wake(false);
    });
    return { status: 200, body: { status: "deletion_started", message: "started", doc_id: ids.join(", ") } };
  }

  reprocessFailed(): Answer {
    const failed = [...this.documents.values()].some(
      (document) => document.status === "failed" && document.duplicateOf === null,
    );
    if (this.version === "1.5.6" && this.busy && !failed) this.#stuck = true;
    else this.#wake(true);
    return { status: 200, body: { status: "reprocessing_started", message: "started" } };
  }

  cancelPipeline(): Answer {
    for (const document of this.documents.values()) {
      const isHit = document.status === "processing" || (document.status === "pending" && this.version === "1.5.6");
      if (isHit) {
        document.status = "failed";
        document.error = "cancelled";
      }
    }
    this.busy = false;
    this.#stuck = false;
    return { status: 200, body: { status: "cancellation_requested" } };
  }

  /** The process dies and starts again: what is not on the disk is gone, and pending documents are forgotten by the pipeline. */
  kill(): void {
    for (const [id, document] of this.documents) {
      if (document.durableAt > this.#clock.now()) this.documents.delete(id);
      else if (document.status === "processing") document.status = "pending";
      document.deleting = false;
    }
    this.#life++;
    this.busy = false;
    this.#deletes = 0;
    this.#stuck = false;
    this.#draining = false;
  }

  #wake(withFailed: boolean): void {
    if (withFailed) {
      for (const document of this.documents.values()) {
        if (document.status === "failed" && document.duplicateOf === null) document.status = "pending";
      }
      this.#draining =
        this.version === "1.5.6" &&
        [...this.documents.values()].some(({ status }) => status === "pending") &&
        !this.busy;
    }
    if (this.busy) return;
    const next = [...this.documents.values()].find(({ status, deleting }) => status === "pending" && !deleting);
    if (next === undefined) {
      this.#draining = false;
      return;
    }
    this.busy = true;
    next.status = "processing";
    this.#after(this.#processMs, () => this.#processed(next));
  }

  #processed(document: StoredDocument): void {
    if (document.status !== "processing") return;
    const breaks = !this.isNew && document.text.includes("<|endoftext|>");
    const fails = this.modelIsDown || breaks || document.text.trim() === "" || this.failsText(document.text);
    document.status = fails ? "failed" : "processed";
    document.error = fails ? "the language model gave no answer" : null;
    this.busy = this.#stuck;
    if (!this.busy) this.#wake(false);
  }

  #nameOf(source: string | null): string | null {
    const given = source?.trim() ?? "";
    if (!this.isNew) return given === "" ? null : given;
    const last = given.split("/").at(-1) ?? "";
    return RESERVED_NAMES.has(last) ? null : last.replace(/\.\[[^\]]*\](?=\.[^.]*$)/, "");
  }

  #after(milliseconds: number, task: () => void): void {
    const life = this.#life;
    this.#clock.after(milliseconds, () => {
      if (life === this.#life) task();
    });
  }

  #track(): string {
    return `insert_${++this.#tracks}`;
  }
}

function sanitized(text: string): string {
  return text.trim().replaceAll("\0", "").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

function fault(): Answer {
  return { status: 500, body: { detail: "Internal Server Error" } };
}

function conflict(detail: string): Answer {
  return { status: 409, body: { detail } };
}
