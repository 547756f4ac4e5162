import type { PushAnswers, PushChanges } from "../../../src/hub/protocol/push.ts";

/** `other`: an introduction of a device, or what a refusal says. */
export type MessageKind = "push" | "page" | "other";

/** What passes between edges and hub, as a recording proxy sees it. */
export class Recorder {
  /** Everything that edges sent and were answered, as text, inflated. */
  readonly messages: { readonly edge: number; readonly kind: MessageKind; readonly text: string }[] = [];
  /** How often each key was applied, by history. */
  readonly #applied = new Map<string, number>();

  record(edge: number, kind: MessageKind, text: string): void {
    this.messages.push({ edge, kind, text });
  }

  answered(device: string, changes: PushChanges["changes"], { epoch, answers }: PushAnswers): void {
    for (const [index, answer] of answers.entries()) {
      if (answer.status !== "applied") continue;
      const name = `${epoch} ${device} ${changes[index]?.key}`;
      this.#applied.set(name, (this.#applied.get(name) ?? 0) + 1);
    }
  }

  /** Where a content passed: for the report of a lost edit. */
  mentions(content: string): string[] {
    return this.messages.flatMap(({ edge, kind, text }, index) => {
      const at = text.indexOf(`"content":"${content}"`);
      return at < 0
        ? []
        : [`  message ${index}: ${kind} of edge ${edge}: …${text.slice(Math.max(0, at - 400), at + 30)}`];
    });
  }

  get pushes(): number {
    return this.messages.filter(({ kind }) => kind === "push").length;
  }

  appliedTwice(): string[] {
    return [...this.#applied].filter(([, times]) => times > 1).map(([name]) => name);
  }
}
