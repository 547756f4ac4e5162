import type { ComponentChildren } from "preact";
import { type ApiError, nextStepOf } from "../api/api-error.ts";
import type { Resource } from "../state/resource.ts";
import { Button } from "./button.tsx";

export function Loading({ what }: { readonly what: string }) {
  return (
    <p class="loading" role="status">
      <span class="spinner" aria-hidden="true" /> Reading {what}…
    </p>
  );
}

/** A failure in a line or two: what happened, what to do next, and the id under which the log has it. */
export function ErrorText({ error }: { readonly error: ApiError }) {
  const next = nextStepOf(error);
  return (
    <div class="message message-failed" role="alert">
      <p>
        <strong>{sentence(error.message)}</strong> {next}
      </p>
      <p class="hint">
        <code>{error.code}</code>
        {error.requestId !== null && (
          <>
            , request <code>{error.requestId}</code>
          </>
        )}
      </p>
    </div>
  );
}

export function ErrorState({ error, onRetry }: { readonly error: ApiError; readonly onRetry?: () => void }) {
  return (
    <div class="stack">
      <ErrorText error={error} />
      {onRetry !== undefined && (
        <div class="row">
          <Button onClick={onRetry}>Try again</Button>
        </div>
      )}
    </div>
  );
}

export function EmptyState({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** A message beside the page's content. */
export function Message(props: {
  readonly kind: "info" | "done" | "warning" | "failed";
  readonly children: ComponentChildren;
}) {
  return (
    <div class={`message message-${props.kind}`} role={props.kind === "failed" ? "alert" : "status"}>
      {props.children}
    </div>
  );
}

export interface LoadedProps<T> {
  readonly resource: Resource<T>;
  /** For the sentence "Reading …". */
  readonly what: string;
  readonly children: (value: T) => ComponentChildren;
}

/** What was read, or why it was not, or that it is being read. A value stays in sight when a later reading fails. */
export function Loaded<T>({ resource, what, children }: LoadedProps<T>) {
  const { value, error, reload } = resource;
  if (value === undefined) {
    return error === null ? <Loading what={what} /> : <ErrorState error={error} onRetry={reload} />;
  }
  return (
    <>
      {error !== null && <ErrorState error={error} onRetry={reload} />}
      {children(value)}
    </>
  );
}

/** A message of the service as a sentence. */
export function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
