import { Badge } from "../../components/badge.tsx";
import { sentence } from "../../components/feedback.tsx";
import { counted } from "../../text/numbers.ts";
import type { Problem } from "./problems.ts";

export interface ProblemListProps {
  readonly problems: readonly Problem[];
  /** Whether the key sees everything that may be wrong. */
  readonly isComplete: boolean;
}

export function ProblemList({ problems, isComplete }: ProblemListProps) {
  if (problems.length === 0) {
    return (
      <div class="message message-done" role="status">
        <p>
          <strong>Nothing is wrong</strong>
          {isComplete ? "." : " in what this key may see."}
        </p>
      </div>
    );
  }
  return (
    <section class="problems" aria-label="What is wrong">
      <h2>{counted(problems.length, "thing needs", "things need")} your attention</h2>
      <ul class="stack stack-close">
        {problems.map(({ id, severity, title, detail, next }) => (
          <li key={id} class={`problem problem-${severity}`}>
            <Badge tone={severity}>{severity === "bad" ? "Wrong" : "Look"}</Badge>
            <div>
              <h3>{title}</h3>
              <p>{sentence(detail.replace(/\.$/, ""))}</p>
            </div>
            {next !== null && <a href={next.href}>{next.text}</a>}
          </li>
        ))}
      </ul>
    </section>
  );
}
