import { ulid } from "ulid";
import type { Condition } from "../../domain/filter/filter.ts";
import type { MemoryKey } from "../../domain/keys.ts";
import type { MemoryDocument } from "../../domain/memory.ts";
import { MemoryValidator } from "../../domain/schema.ts";
import type { ChangesPage } from "../../hub/protocol/changes.ts";
import type { HubIdentity } from "../../hub/protocol/identity.ts";
import type { PushAnswers } from "../../hub/protocol/push.ts";
import type { WireVector } from "../../hub/protocol/wire-memory.ts";
import type { SqlDriver } from "../sqlite/database.ts";
import { Answers, type RecordedAnswers } from "./answers.ts";
import { type Batch, type BatchBounds, Batches } from "./batches.ts";
import { type ChoiceOfConflict, type ConflictView, ConflictViews } from "./conflict-views.ts";
import { Conflicts } from "./conflicts.ts";
import { type ConnectorCall, ConnectorRows } from "./connector-rows.ts";
import { type FileContext, type FileNotice, type FileSettings, hubTime } from "./context.ts";
import { Facts } from "./facts.ts";
import { sendFailedAgain } from "./failed-changes.ts";
import type { HeldPage } from "./held-pages.ts";
import { Inbox } from "./inbox.ts";
import { Lease, type LeaseView } from "./lease.ts";
import { LocalWrites } from "./local-writes.ts";
import { Memories } from "./memories.ts";
import { examine, mendWords, type OpenFileOptions, openFile } from "./open-file.ts";
import { Originals } from "./originals.ts";
import { Outbox } from "./outbox.ts";
import { type AskedPage, type PageResult, Pages } from "./pages.ts";
import { type PatchOfMemory, patchedMemory } from "./patched-memory.ts";
import { type EdgeMemory, type EdgePage, type FoundMemory, Reads } from "./reads.ts";
import { RemoteChanges } from "./remote-changes.ts";
import type { Rescue } from "./rescue.ts";
import { newDevice, Resync, type ResyncCause } from "./resync.ts";
import type { Ended, SqlFile } from "./sql-file.ts";
import { type FileStatus, type QueueItem, StatusReads } from "./status-reads.ts";
import { type HubContact, readSyncState, type SyncState } from "./sync-state.ts";
import { Words } from "./words.ts";

export type EdgeFileOptions = OpenFileOptions & FileSettings & { readonly random?: () => number };

/**
 * The file of an edge: everything that an agent keeps, and what is on its way. Synchronous, so it runs in a worker. Each
 * method is one transaction or less; its arguments and results can be sent between threads; it knows no clock.
 */
export class EdgeFile {
  readonly #file: SqlFile;
  readonly #context: FileContext;
  readonly #lease: Lease;
  readonly #writes: LocalWrites;
  readonly #outbox: Outbox;
  readonly #batches: Batches;
  readonly #answers: Answers;
  readonly #pages: Pages;
  readonly #resync: Resync;
  readonly #reads: Reads;
  readonly #status: StatusReads;
  readonly #conflictViews: ConflictViews;
  readonly #originals: Originals;
  readonly #words: Words;
  readonly #connectors: ConnectorRows;
  readonly #validator = new MemoryValidator();
  /** What was rescued at this opening; null: the file was sound. */
  readonly rescue: Rescue | null;

  constructor(driver: SqlDriver, options: EdgeFileOptions, nowMs: number) {
    const { file, rescue } = openFile(driver, options, nowMs);
    const random = options.random ?? Math.random;
    const facts = new Facts(file);
    const context: FileContext = { file, facts, settings: options, random };
    this.#file = file;
    this.#context = context;
    this.rescue = rescue;
    this.#lease = new Lease(file, ulid(nowMs, random));
    const memories = new Memories(context);
    const outbox = new Outbox(context);
    const inbox = new Inbox(context);
    const conflicts = new Conflicts(context);
    const words = new Words(context);
    this.#words = words;
    this.#outbox = outbox;
    this.#writes = new LocalWrites(context, { memories, outbox, conflicts, words });
    const remote = new RemoteChanges(context, memories, outbox, conflicts, this.#writes);
    this.#batches = new Batches(context, memories);
    this.#answers = new Answers(context, { memories, outbox, inbox, conflicts, remote });
    this.#resync = new Resync(context, memories, outbox, inbox);
    const [answers, resync] = [this.#answers, this.#resync];
    this.#pages = new Pages(context, { memories, outbox, inbox, answers, remote, resync, words });
    this.#reads = new Reads(context);
    this.#status = new StatusReads(context);
    this.#conflictViews = new ConflictViews(context, { conflicts, memories, outbox, remote, writes: this.#writes });
    this.#originals = new Originals(context);
    this.#connectors = new ConnectorRows(file);
    file.transaction(() => {
      if (facts.get("device") === null) facts.set("device", newDevice(nowMs, random));
    });
    this.#originals.catchUp();
  }

  put(key: MemoryKey, document: MemoryDocument, embedding: WireVector | null, nowMs: number): void {
    this.#writes.put(key, document, embedding, nowMs);
  }

  /** @returns whether there is such a memory. @throws {ValidationError} The patched memory is none. */
  patch(key: MemoryKey, patch: PatchOfMemory, nowMs: number): boolean {
    return this.#writes.patch(key, (side) => patchedMemory(key, side, patch, this.#validator), nowMs);
  }

  delete(key: MemoryKey, nowMs: number): boolean {
    return this.#writes.delete(key, nowMs);
  }

  /** Writes of one moment, by the methods above: one commit for all. @returns what each came to. @throws None of them was kept. */
  together<Result>(writes: readonly (() => Result)[]): readonly Ended<Result>[] {
    return this.#file.together(writes);
  }

  get(key: MemoryKey, nowMs: number): EdgeMemory | null {
    return this.#reads.get(key, this.#hubTime(nowMs));
  }

  list(namespace: string, condition: Condition, limit: number, after: string, nowMs: number): EdgePage {
    return this.#reads.list(namespace, condition, limit, after, this.#hubTime(nowMs));
  }

  searchText(namespace: string, text: string, condition: Condition, k: number, nowMs: number): FoundMemory[] {
    this.#words.indexAll();
    return this.#reads.searchText(namespace, text, condition, k, this.#hubTime(nowMs));
  }

  searchVector(namespace: string, vector: WireVector, condition: Condition, k: number, nowMs: number): FoundMemory[] {
    return this.#reads.searchVector(namespace, vector, condition, k, this.#hubTime(nowMs));
  }

  /** Work that can wait, for a moment without calls. @returns whether there is more of it. */
  idle(): boolean {
    if (this.#words.indexSome()) return true;
    this.#file.foldSome();
    return false;
  }

  state(): SyncState {
    return readSyncState(this.#context);
  }

  setPaused(isPaused: boolean): void {
    this.#context.facts.set("paused", isPaused ? 1 : null);
  }

  /** Keeps how the last contact with the hub went, for the status that other processes print. */
  setContact(contact: HubContact): void {
    this.#context.facts.set("contact", JSON.stringify(contact));
  }

  contact(): HubContact | null {
    const text = this.#context.facts.get("contact");
    return text === null ? null : (JSON.parse(text) as HubContact);
  }

  takeLease(nowMs: number): LeaseView {
    return this.#lease.take(nowMs);
  }

  viewLease(): LeaseView {
    return this.#lease.view();
  }

  releaseLease(): void {
    this.#lease.release();
  }

  requestSync(): number {
    return this.#lease.request();
  }

  requestedSync(): number {
    return this.#lease.requested();
  }

  serveSync(request: number, report: string): void {
    this.#lease.serve(request, report);
  }

  servedSync(): { readonly request: number; readonly report: string | null } {
    return this.#lease.served();
  }

  /** A number that changes whenever another process has written to the file. */
  dataVersion(): number {
    return this.#file.dataVersion;
  }

  /**
   * Takes what the hub says of itself. Another epoch begins a resync. A device that settled more there than this file knows
   * has spoken with a copy of the file: this one goes on as another device.
   */
  meetHub(identity: HubIdentity, nowMs: number): SyncState & { readonly isRenamed: boolean } {
    const isRenamed = this.#file.transaction(() => this.#resync.meet(identity, nowMs));
    return { ...this.state(), isRenamed };
  }

  beginResync(cause: ResyncCause, epoch: string | null, nowMs: number): void {
    this.#file.transaction(() => this.#resync.begin(cause, epoch, nowMs));
  }

  /** @throws {EdgeFileError} `locked`: another process syncs by now. */
  freezeBatch(bounds: BatchBounds, nowMs: number, inFlight: readonly string[] = []): Batch | null {
    return this.#file.transaction(() => {
      this.#lease.require();
      return this.#batches.freeze(bounds, nowMs, inFlight);
    });
  }

  /** @param next freezes the batch that follows in the same transaction, as `freezeBatch` does, while this process still syncs. */
  recordAnswers(
    keys: readonly string[],
    answered: PushAnswers,
    times: { readonly sentAt: number; readonly nowMs: number },
    today: string,
    next: { readonly bounds: BatchBounds; readonly inFlight: readonly string[] } | null = null,
  ): RecordedAnswers {
    const recorded = this.#file.transaction(() => {
      const { counts, notices } = this.#answers.recordAll(keys, answered, times, today);
      const epoch = this.#context.facts.get("epoch");
      const mayFreeze = next !== null && answered.epoch === epoch && this.#lease.view().held;
      const batch = mayFreeze ? this.#batches.freeze(next.bounds, times.nowMs, next.inFlight) : null;
      return { ...counts, notices, epoch, batch };
    });
    this.#originals.follow(recorded.notices);
    return recorded;
  }

  /** The one change of a batch that the hub refuses as a whole. */
  failAlone(changeKey: string, code: string, message: string): readonly FileNotice[] {
    const notices: FileNotice[] = [];
    this.#file.transaction(() => this.#answers.fail(changeKey, code, message, notices));
    return notices;
  }

  /** Takes the bytes of a page of the hub, to be applied later: what is answered has all but its changes. @throws {HubError} */
  readPage(bytes: Uint8Array): HeldPage {
    return this.#pages.read(bytes);
  }

  applyPage(page: ChangesPage, asked: AskedPage, nowMs: number, today: string): PageResult {
    const result = this.#pages.apply(page, asked, nowMs, today, () => this.#lease.require());
    this.#originals.follow(result.notices);
    return result;
  }

  /** Lets failed changes be sent again. @returns them, with the reasons for which they had failed. */
  retry(key: MemoryKey | null): QueueItem[] {
    return this.#file.transaction(() => sendFailedAgain(this.#status, this.#outbox, key));
  }

  status(nowMs: number, today: string): FileStatus {
    return this.#status.status(nowMs, today);
  }

  queue(which: "all" | "failed", limit: number): QueueItem[] {
    return this.#status.queue(which, limit);
  }

  conflicts(which: "pending" | "all", limit: number): ConflictView[] {
    return this.#conflictViews.list(which, limit);
  }

  /** @throws {NotFoundError} @throws {SyncConflictError} */
  resolve(id: string, choice: ChoiceOfConflict, nowMs: number): ConflictView {
    const view = this.#file.transaction(() => this.#conflictViews.resolve(id, choice, nowMs));
    this.#originals.catchUp();
    return view;
  }

  /** What connectors keep in the file: one call of `ConnectorRows`. */
  connectors({ name, args }: ConnectorCall): unknown {
    return (this.#connectors[name] as (...args: readonly unknown[]) => unknown).apply(this.#connectors, [...args]);
  }

  /** Every page of the file and every index; that of words is made anew where it is not sound. @throws {EdgeFileError} `corrupt` */
  check(): void {
    if (!examine(this.#file)) mendWords(this.#file, this.#context.facts);
  }

  close(): void {
    this.#lease.release();
    this.#file.foldLog();
    this.#file.close();
  }

  /** Closes the file as a process that is killed leaves it: the lease stays taken. */
  abandon(): void {
    this.#file.close();
  }

  /** Expiry is judged by the hub's clock, as far as it is known: with a clock that is ahead nothing may seem to have ended. */
  #hubTime(nowMs: number): number {
    return hubTime(this.#context.facts, nowMs);
  }
}
