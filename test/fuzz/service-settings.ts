/**
 * How long the fuzzed service waits, in every run: `npm run fuzz` and the tests alike. What is asked here is what it answers, not how soon:
 * on a machine with much else to do stores are slow, and a 503 would be right. None of them lies above the time in which an answer must
 * come (`ANSWER_TIMEOUT_MS`).
 */
export const PATIENCE: Readonly<Record<string, string>> = {
  MNEMOSYNC_CONNECT_TIMEOUT_MS: "60000",
  MNEMOSYNC_STORE_PROBE_TIMEOUT_MS: "60000",
  MNEMOSYNC_PREPARE_TIMEOUT_MS: "60000",
  MNEMOSYNC_PUBLISH_TIMEOUT_MS: "60000",
  MNEMOSYNC_REDIS_CALL_TIMEOUT_MS: "60000",
  MNEMOSYNC_LOCK_TIMEOUT_MS: "30000",
};
