import { test } from "vitest";
import { compareFilters } from "../support/filter-conformance.ts";

test("a filter lets the same memories pass in SQL as in memory", { timeout: 300_000 }, () => compareFilters(1_000, 1));
