/** For the tests of `PeerProcess`: `echo-peer.ts FILE`, which writes FILE when it ends in good order. */
import { writeFileSync } from "node:fs";
import { servePeer } from "../../bench/support/peer-process.ts";

export type EchoCalls = {
  echo: { request: unknown; answer: unknown };
  fail: { request: string; answer: null };
  hang: { request: null; answer: null };
  exit: { request: number; answer: null };
};

servePeer<EchoCalls>(
  {
    echo: async (request) => request,
    fail: (request) => {
      throw new Error(request);
    },
    hang: () => new Promise(() => undefined),
    exit: (code) => {
      process.stderr.write("last words\n");
      process.exit(code);
    },
  },
  async () => writeFileSync(process.argv[2] as string, "ended"),
);
