import { useState } from "preact/hooks";
import type { Job } from "../../api/documents.ts";
import { Button } from "../../components/button.tsx";
import { Card } from "../../components/card.tsx";
import { ErrorText } from "../../components/feedback.tsx";
import { ChoiceField } from "../../components/field.tsx";
import { useAction } from "../../state/action.ts";
import { go, linkTo } from "../../state/router.ts";

const SCOPES = [
  { value: "quick", text: "Quick", hint: "What changed since the last quick check" },
  { value: "full", text: "Full", hint: "Every memory of every store, by version and checksum" },
  { value: "deep", text: "Deep", hint: "The contents and vectors themselves too, read and hashed again" },
];

export function StartCheck() {
  const [scope, setScope] = useState("full");
  const start = useAction((api) => api.post<Job>("v1/checks", { scope }));
  const running = start.error?.members.jobId;
  return (
    <Card title="Run a check">
      <form
        class="stack"
        onSubmit={async (event) => {
          event.preventDefault();
          const job = await start.run();
          if (job !== undefined) go(linkTo("drift", [job.id]));
        }}
      >
        <ChoiceField legend="How much to compare" value={scope} onInput={setScope} choices={SCOPES} />
        {start.error !== null && (
          <>
            <ErrorText error={start.error} />
            {typeof running === "string" && <a href={linkTo("queue", [running])}>Look at the one that is running</a>}
          </>
        )}
        <div class="row">
          <Button type="submit" look="primary" isBusy={start.isUnderWay}>
            Run the check
          </Button>
          <span class="hint">A check only reads. It goes on when you leave the page.</span>
        </div>
      </form>
    </Card>
  );
}
