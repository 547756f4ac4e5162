import * as z from "zod";
import { type JsonSchema, jsonSchemaOf } from "../documents/json-schema.ts";
import { namespaceName } from "../documents/request-fields.ts";
import { lazily } from "../domain/lazily.ts";
import type { MemorySynchronizer } from "../index.ts";
import type { Caller, Right } from "./caller.ts";

/** One call of a tool, once its arguments are checked. */
export interface ToolCall<Arguments> {
  readonly sync: MemorySynchronizer;
  readonly args: Arguments;
  readonly namespace: string;
  readonly caller: Caller;
  /** Fires when the client cancels the call, at its deadline, and when the connection ends. Of a read also when the caller hung up. */
  readonly signal: AbortSignal;
  /** Tells the client how far the call is; nothing happens where it did not ask. */
  readonly onProgress: (done: number, total: number | undefined, message: string) => void;
}

export interface Tool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly right: Right;
  /** Whether the call concerns all namespaces, and so takes none. */
  readonly everywhere: boolean;
  /** `long`: has the deadline of checks. */
  readonly duration: "short" | "long";
  readonly annotations: Readonly<Record<"readOnlyHint" | "destructiveHint" | "idempotentHint", boolean>>;
  /** @param several whether the connection serves several namespaces, so that each call names its own. */
  inputOf(several: boolean): z.ZodType;
  inputSchemaOf(several: boolean): JsonSchema;
  readonly outputSchema: () => JsonSchema;
  /** Checks what the input schema leaves to it. @returns the document of the answer. */
  run(call: ToolCall<unknown>): Promise<object>;
}

interface Declaration<Shape extends z.ZodRawShape> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly right: Right;
  readonly everywhere?: boolean;
  readonly duration?: "short" | "long";
  readonly annotations: Tool["annotations"];
  readonly fields: () => Shape;
  /** A rule about several fields. */
  readonly rule?: { readonly holds: (args: z.output<z.ZodObject<Shape>>) => boolean; readonly text: string };
  readonly output: () => z.ZodType;
  readonly run: (call: ToolCall<z.output<z.ZodObject<Shape>>>) => Promise<object>;
}

const namespaceField = lazily(() => ({
  namespace: namespaceName().describe("The tenant whose memories are meant; no call crosses it"),
}));

/** A tool from its declaration: input and output have one schema each, from which what clients see is made. */
export function tool<Shape extends z.ZodRawShape>(declaration: Declaration<Shape>): Tool {
  const { fields, rule, output, run, everywhere = false, duration = "short", ...shown } = declaration;
  const make = (several: boolean) => {
    const shape = { ...(several && !everywhere && namespaceField()), ...fields() };
    const object = z.strictObject(shape);
    return rule === undefined ? object : object.refine((args) => rule.holds(args as never), rule.text);
  };
  const inputs = { one: lazily(() => make(false)), several: lazily(() => make(true)) };
  const schemas = {
    one: lazily(() => jsonSchemaOf(inputs.one(), "input")),
    several: lazily(() => jsonSchemaOf(inputs.several(), "input")),
  };
  return {
    ...shown,
    everywhere,
    duration,
    inputOf: (several) => inputs[several ? "several" : "one"](),
    inputSchemaOf: (several) => schemas[several ? "several" : "one"](),
    outputSchema: lazily(() => rooted(jsonSchemaOf(output()))),
    run: run as Tool["run"],
  };
}

/** MCP wants an object at the root, where a document with a name of its own has a reference. */
function rooted(schema: JsonSchema): JsonSchema {
  const { $ref, ...rest } = schema;
  const name = typeof $ref === "string" ? $ref.replace("#/$defs/", "") : undefined;
  const definitions = rest.$defs as Readonly<Record<string, JsonSchema>> | undefined;
  return name === undefined ? schema : { ...rest, ...definitions?.[name] };
}
