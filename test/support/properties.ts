import fc from "fast-check";

/** Decimal digits, or `random`. */
const given = process.env.MNEMOSYNC_TEST_SEED;

/**
 * fast-check, with one seed for all properties: a run tells of the change that it tests, and not of its luck. Others are for looking
 * further: `MNEMOSYNC_TEST_SEED=random npx vitest run test/property`, or the seed that a failure named.
 */
if (given !== "random") fc.configureGlobal({ seed: seedOf(given ?? "20261201") });

function seedOf(text: string): number {
  const seed = Number(text);
  if (Number.isSafeInteger(seed)) return seed;
  throw new Error(`MNEMOSYNC_TEST_SEED is ${JSON.stringify(text)}: expected an integer, or random`);
}

export default fc;
