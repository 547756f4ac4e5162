import { test } from "vitest";
import { compareFilters } from "../support/filter-conformance.ts";

test("10,000 random filters let the same memories pass in SQL as in memory", { timeout: 600_000 }, () =>
  compareFilters(10_000, 100_000),
);
