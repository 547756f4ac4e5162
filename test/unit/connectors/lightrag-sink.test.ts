import { afterEach, describe, expect, test } from "vitest";
import { held, LightRagRun, nameOf, processed, textOf, wishes } from "../../support/connectors/lightrag-run.ts";
import { type LightRagVersion, VERSIONS } from "../../support/connectors/lightrag-state.ts";

const running: LightRagRun[] = [];
afterEach(async () => {
  for (const run of running.splice(0)) await run.server.close();
});

async function start(...given: Parameters<typeof LightRagRun.start>): Promise<LightRagRun> {
  const run = await LightRagRun.start(...given);
  running.push(run);
  return run;
}

describe.each(VERSIONS)("at version %s", (version) => {
  test("memories of equal content are all delivered, each once", async () => {
    const run = await start(version);
    const wanted = wishes(30);
    await run.fulfil(wanted);
    expect(held(run)).toEqual(processed(wanted.keys()));
    expect(run.delivered.size).toBe(30);
  });

  test("what a killed server lost is sent again, and what it forgot is woken", async () => {
    const run = await start(version);
    const wanted = wishes(12);
    await run.fulfil(wanted, (pass) => {
      if (pass === 1 || pass === 3) run.server.state.kill();
    });
    expect(held(run)).toEqual(processed(wanted.keys()));
  });

  test("a language model that is away delays, and nothing is called delivered meanwhile", async () => {
    const run = await start(version, { retriesMax: 50 });
    run.server.state.modelIsDown = true;
    const wanted = wishes(5);
    await run.fulfil(wanted, (pass) => {
      expect(run.delivered.size === 0 || pass > 20).toBe(true);
      if (pass === 20) run.server.state.modelIsDown = false;
    });
    expect(held(run)).toEqual(processed(wanted.keys()));
  });

  test("a text that it can never process ends as failed with its reason, and its document is removed", async () => {
    const run = await start(version, { retriesMax: 2 });
    run.server.state.failsText = (text) => text.includes("poison");
    const wanted = new Map([...wishes(3), [nameOf("bad"), textOf("bad", "poison")]]);
    await run.fulfil(wanted);
    expect([...run.failed]).toEqual([[nameOf("bad"), "the language model gave no answer"]]);
    expect(held(run)).toEqual(processed(wishes(3).keys()));
  });

  test("texts that it can never process are removed together, by one request", async () => {
    const run = await start(version, { retriesMax: 0 });
    run.server.state.modelIsDown = true;
    const wanted = wishes(25);
    await run.fulfil(wanted);
    expect([...run.failed.keys()].sort()).toEqual([...wanted.keys()].sort());
    expect(run.documents()).toEqual([]);
    const requests = run.server.requests.filter(({ path }) => path === "/documents/delete_document");
    expect(requests).toHaveLength(1);
  });

  test("an answer that was lost is looked for before the text is sent again", async () => {
    const run = await start(version);
    let cut = 0;
    run.server.intercept = (_, path) => {
      if (path !== "/documents/text" || cut++ % 2 === 1) return null;
      // The server takes the text, and its answer does not arrive.
      run.server.state.insert(textOf("m0", "the same content"), nameOf("m0"));
      run.clock.advance(20);
      return "cut";
    };
    await run.fulfil(wishes(1));
    expect(held(run)).toEqual(processed([nameOf("m0")]));
    expect(run.server.requests.filter(({ path }) => path === "/documents/text")).toHaveLength(1);
  });

  test("a new version is delivered before the old one is removed, also back to an earlier content", async () => {
    const run = await start(version);
    for (const [revision, body] of [
      [1, "A"],
      [2, "B"],
      [3, "A"],
    ] as const) {
      const name = nameOf("m", revision);
      await run.fulfil(new Map([[name, textOf("m", body, revision)]]));
      if (revision > 1) await run.fulfil(new Map([[nameOf("m", revision - 1), null]]));
      expect(held(run)).toEqual(processed([name]));
    }
  });

  test("no text is sent while a deletion is under way, and a removal is over when the server is idle", async () => {
    const run = await start(version);
    await run.fulfil(wishes(2));
    const signal = new AbortController().signal;
    expect(await run.sink.remove([nameOf("m0")], signal)).toEqual([nameOf("m0")]);
    expect(await run.sink.deliver({ name: nameOf("m9"), text: textOf("m9", "x") }, signal)).toEqual({
      outcome: "later",
      reason: "a deletion is under way",
    });
    await run.fulfil(
      new Map([
        [nameOf("m0"), null],
        [nameOf("m9"), textOf("m9", "x")],
      ]),
    );
    expect(held(run)).toEqual(processed([nameOf("m1"), nameOf("m9")]));
    expect(run.server.state.busy).toBe(false);
  });

  test("a removal is not over while the server works on it, though another name is to go by then", async () => {
    const run = await start(version);
    await run.fulfil(wishes(2));
    const signal = new AbortController().signal;
    const [first, second] = [nameOf("m0"), nameOf("m1")];
    let left = await run.sink.remove([first], signal);
    for (let looks = 0; left.length > 0; looks++) {
      expect(looks).toBeLessThan(40);
      run.clock.advance(50);
      left = await run.sink.remove([...new Set([...left, ...(looks < 5 ? [second] : [])])], signal);
    }
    const sent = await run.sink.deliver({ name: nameOf("m9"), text: textOf("m9", "x") }, signal);
    expect(sent).toMatchObject({ outcome: "sent" });
  });

  test("a text that is processed counts as delivered once the server's death cannot lose it", async () => {
    const run = await start(version);
    const signal = new AbortController().signal;
    const delivery = await run.sink.deliver({ name: nameOf("m0"), text: textOf("m0", "x") }, signal);
    const receipts = delivery.outcome === "sent" ? [delivery.receipt] : [];
    run.clock.advance(1_000);
    expect(held(run)).toEqual(processed([nameOf("m0")]));
    expect(await run.sink.settle(receipts, signal)).toMatchObject([{ outcome: "open" }]);
    run.server.state.kill();
    run.clock.advance(20_000);
    expect(await run.sink.settle(receipts, signal)).toEqual([{ outcome: "lost" }]);
  });
});

test("a server that asks for a pause gets one, and the text goes out once", async () => {
  const run = await start("1.5.6");
  run.server.state.pressure.push(30, 30);
  await run.fulfil(wishes(2));
  expect(held(run)).toEqual(processed(wishes(2).keys()));
});

test("the contract is read from the server's description, and the key is proven by a listing", async () => {
  const contracts: Record<LightRagVersion, string> = {
    "1.4.9.9": "1.4",
    "1.4.16": "1.4",
    "1.5.0": "1.5",
    "1.5.4": "1.5",
    "1.5.6": "1.5",
  };
  for (const version of VERSIONS) {
    const run = await start(version);
    expect(await run.client.ping(new AbortController().signal)).toEqual({ contract: contracts[version], documents: 0 });
  }
});
