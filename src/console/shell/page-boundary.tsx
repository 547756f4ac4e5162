import type { ComponentChildren } from "preact";
import { useEffect, useErrorBoundary } from "preact/hooks";
import { ApiError } from "../api/api-error.ts";
import { Button } from "../components/button.tsx";
import { ErrorState, Message } from "../components/feedback.tsx";
import { PageHead } from "../components/page-head.tsx";

export interface PageBoundaryProps {
  readonly title: string;
  /** Another one is another page, which is tried anew. */
  readonly address: string;
  readonly children: ComponentChildren;
}

/** Keeps a page that fails from taking the navigation, and the session, with it. */
export function PageBoundary({ title, address, children }: PageBoundaryProps) {
  const [error, reset] = useErrorBoundary();
  useEffect(reset, [address]);
  if (error === undefined) return <>{children}</>;
  return (
    <>
      <PageHead title={title} />
      {error instanceof ApiError ? (
        <ErrorState error={error} onRetry={reset} />
      ) : (
        <Message kind="failed">
          <p>
            <strong>This page has failed.</strong> It is a defect of the console: {String(error)}
          </p>
          <div class="row">
            <Button onClick={reset}>Show it again</Button>
          </div>
        </Message>
      )}
    </>
  );
}
