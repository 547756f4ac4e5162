import { type ChildProgram, childProgram } from "../../../support/child-program.ts";

/** The process of an edge, as Node starts it. */
export type EdgeProgram = ChildProgram;

export function edgeProgram(): EdgeProgram {
  return childProgram(new URL("./edge-node.ts", import.meta.url), "edge/index");
}
