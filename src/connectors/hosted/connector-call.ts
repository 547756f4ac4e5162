import type { RunOrder } from "./work.ts";

export interface ConnectorCall {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that the call may take. */
  readonly timeoutMs?: number | undefined;
}

/** How calls of a synchronizer are run: with a deadline, and refused once it is closed. */
export type RunCall = <T>(name: string, call: ConnectorCall, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;

export interface TriggerOptions extends Partial<RunOrder>, ConnectorCall {
  /** Begins the run in this process, which then must live until it has ended. @default false: the first node with room */
  readonly here?: boolean | undefined;
}

export interface RunsOptions extends ConnectorCall {
  /** The id of a run: those that began before it. */
  readonly before?: string | undefined;
  /** 1 … 1_000. @default 20 */
  readonly limit?: number | undefined;
}

export interface LettersOptions extends ConnectorCall {
  /** That of the page before. @default from the first letter on */
  readonly cursor?: string | undefined;
  /** 1 … 1_000. @default 100 */
  readonly limit?: number | undefined;
}

export interface ChosenLetters extends ConnectorCall {
  /** Ids of dead letters. @default all */
  readonly letters?: readonly string[] | undefined;
}

export interface ReplayOptions extends ChosenLetters, Pick<TriggerOptions, "here" | "dryRun"> {}

export interface MediaOptions extends ConnectorCall {
  /** Namespaces whose memories may be read. @default null: all */
  readonly namespaces?: ReadonlySet<string> | null | undefined;
}
