import type { CallToolResult, Tool as ListedTool } from "@modelcontextprotocol/sdk/types.js";
import { type Log, type MemorySynchronizer, ValidationError } from "../index.ts";
import type { CallSlots } from "./call-slots.ts";
import { type Caller, hasRight } from "./caller.ts";
import { failureOf, failureResult, Refusal } from "./failure.ts";
import type { McpMetrics } from "./metrics.ts";
import type { Tool } from "./tool.ts";
import { TOOLS } from "./tools.ts";

export interface ToolCallsOptions {
  readonly sync: MemorySynchronizer;
  readonly log: Log;
  /** Null: each call names its own. */
  readonly namespace: string | null;
  readonly slots: CallSlots;
  readonly timeoutsMs: Readonly<Record<Tool["duration"], number>>;
  readonly metrics: McpMetrics;
}

export interface IncomingCall {
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly caller: Caller;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number | undefined, message: string) => void;
}

/** The tools of one connection. */
export class ToolCalls {
  readonly #options: ToolCallsOptions;

  constructor(options: ToolCallsOptions) {
    this.#options = options;
  }

  /** The tools that the caller may use: a model is not tempted by others. */
  list(caller: Caller): ListedTool[] {
    const several = this.#options.namespace === null;
    return TOOLS.filter(({ right }) => hasRight(caller, right)).map(
      ({ name, title, description, annotations, inputSchemaOf, outputSchema }) => ({
        name,
        title,
        description,
        inputSchema: inputSchemaOf(several) as ListedTool["inputSchema"],
        outputSchema: outputSchema() as NonNullable<ListedTool["outputSchema"]>,
        annotations: { title, ...annotations, openWorldHint: false },
      }),
    );
  }

  /** Never rejects: a failure is a result, which the model reads. */
  async call(incoming: IncomingCall): Promise<CallToolResult> {
    const { log, metrics } = this.#options;
    const { name, signal } = incoming;
    const counted = metrics.count(name, signal);
    try {
      const document = await this.#run(incoming);
      const text = JSON.stringify(document);
      counted(null);
      return { content: [{ type: "text", text }], structuredContent: document as Record<string, unknown> };
    } catch (error) {
      const failure = failureOf(error, log, name);
      counted(failure);
      return failureResult(failure);
    }
  }

  async #run({ name, args, caller, signal, onProgress }: IncomingCall): Promise<object> {
    const { sync, slots, timeoutsMs } = this.#options;
    const tool = TOOLS.find((known) => known.name === name);
    if (tool === undefined) {
      const names = TOOLS.map((known) => known.name).join(", ");
      throw new Refusal("UNKNOWN_TOOL", `there is no tool ${JSON.stringify(name.slice(0, 64))}: there are ${names}`);
    }
    if (!hasRight(caller, tool.right)) {
      throw new Refusal(
        "FORBIDDEN",
        `the tool ${name} needs the right to ${tool.right}, and the caller may ${caller.right}`,
      );
    }
    const { namespace, checked } = this.#checked(tool, args, caller);
    const hangUp = tool.annotations.readOnlyHint ? caller.hangUp : undefined;
    return await slots.run(name, timeoutsMs[tool.duration], { signal, hangUp }, (until) =>
      tool.run({ sync, args: checked, namespace, caller, signal: until, onProgress }),
    );
  }

  #checked(
    tool: Tool,
    args: Readonly<Record<string, unknown>>,
    caller: Caller,
  ): { namespace: string; checked: unknown } {
    const { namespace: own } = this.#options;
    const parsed = tool.inputOf(own === null).safeParse(args);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new ValidationError(issue?.path.map(String).join(".") ?? "", issue?.message ?? "is not valid");
    }
    if (own !== null || tool.everywhere) return { namespace: own ?? "", checked: parsed.data };
    const { namespace, ...checked } = parsed.data as { namespace: string };
    if (caller.mayTouch?.(namespace) === false) throw foreign(namespace);
    return { namespace, checked };
  }
}

export function foreign(namespace: string): Refusal {
  return new Refusal("FORBIDDEN", `the caller may not touch the namespace ${namespace}`);
}
