import { UsageError } from "./exit.ts";

/** The action that a command's first argument names. @throws {UsageError} listing the actions. */
export function namedAction<Action>(actions: Readonly<Record<string, Action>>, name: string): Action {
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (action !== undefined) return action;
  throw new UsageError(`unknown action ${JSON.stringify(name)}: expected ${Object.keys(actions).join(", ")}`);
}
