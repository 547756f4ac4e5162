import type { Tool } from "./tool.ts";
import { forget, update } from "./tools/change.ts";
import { check } from "./tools/check.ts";
import { get, history, list } from "./tools/look.ts";
import { recall } from "./tools/recall.ts";
import { remember, rememberMany } from "./tools/remember.ts";

/** Every tool, in the order in which clients list them. */
export const TOOLS: readonly Tool[] = [remember, rememberMany, recall, get, list, update, forget, history, check];
