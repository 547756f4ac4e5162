import { parseFilter } from "../../src/domain/filter/filter.ts";
import { encodeListCursor } from "../../src/read/list-cursor.ts";
import { alternate, type Contender, planRounds } from "../harness/rounds.ts";
import type { BenchContext, Scenario, ScenarioResult } from "../harness/scenario.ts";
import { ratioTarget } from "../harness/targets.ts";
import { OurStores, PREFIX } from "../support/our-stores.ts";
import { untilQuiet } from "../support/quiet.ts";
import { verify } from "../support/report.ts";
import { loadSynthetic } from "../support/synthetic.ts";
import { LATENCY_FIGURES, latencies, latencyFigures } from "../support/timed.ts";

const DIMENSION = 8;
const LIMIT = 100;
const NAMES = { ours: "mnemosync", floor: "the bare query" };

/** Question: does a page of a list cost what its query costs, and is a late page as cheap as the first one? */
export const list: Scenario = {
  name: "list",
  run: async (context) => [await measure(context)],
};

async function measure(context: BenchContext): Promise<ScenarioResult> {
  const size = context.memories ?? (context.quick ? 5_000 : 100_000);
  const count = context.quick ? 50 : 200;
  const ours = await OurStores.open(context, { dimension: DIMENSION });
  try {
    await loadSynthetic(ours.sql, context.redisUrl, PREFIX, { dimension: DIMENSION, from: 0, to: size });
    context.log(`${size} memories loaded`);
    const late = Math.min(10_000 * LIMIT, size - 2 * LIMIT);
    const [behind] = await ours.sql<{ memoryId: string }[]>`
      select memory_id as "memoryId" from mnemosync.memory_versions
      where namespace = 'default' order by memory_id offset ${late - 1} limit 1`;
    const places = { "first page": null, "late page": behind?.memoryId ?? "" } as const;
    const scope = { namespace: "default", condition: parseFilter({}), order: "memoryId" } as const;
    const contenders = Object.entries(places).flatMap(([figure, after]): Contender[] => {
      const figures = LATENCY_FIGURES.map(({ name, unit }) => ({ name: `${figure}, ${name}`, unit }));
      const cursor = after === null ? undefined : encodeListCursor({ memoryId: after, sort: null }, scope);
      const contender = (name: string, role: Contender["role"], read: () => Promise<number>): Contender => ({
        name,
        role,
        figures,
        run: async () =>
          latencyFigures(
            await latencies(count, async () => {
              const found = await read();
              verify(found === LIMIT, `${name} found ${found} memories on the ${figure}`);
            }),
          ),
      });
      return [
        contender(NAMES.ours, "ours", async () => (await ours.sync.list({ limit: LIMIT, cursor })).memories.length),
        contender(NAMES.floor, "floor", async () => {
          // Lateral: a plain join was planned as a merge, which reads the bodies of all memories before a late page (12 ms).
          const rows = await ours.sql`
            select v.memory_id, v.version, v.checksum, v.version_vector::text, v.created_at, v.modified_at, b.document::text
            from mnemosync.memory_versions v
            cross join lateral (
              select document from mnemosync.memory_bodies
              where namespace = v.namespace and memory_id = v.memory_id and version = v.version offset 0
            ) b
            where v.namespace = 'default' and v.memory_id > ${after ?? ""} and v.deleted_at is null
              and (v.expires_at is null or v.expires_at > clock_timestamp())
            order by v.memory_id limit ${LIMIT}`;
          return rows.map(({ document }) => JSON.parse(document as string) as object).length;
        }),
      ];
    });
    const measures = await alternate(contenders, {
      ...planRounds(context, 5, 2),
      before: async () => void (await untilQuiet()),
    });
    const of = (contender: string, page: string) => ({ contender, figure: `${page}, p50` });
    return {
      title: `Pages of ${LIMIT} of ${size.toLocaleString("en-US")} memories`,
      method:
        `${count} pages one after the other, each time the same one. The late page stands behind ${late.toLocaleString("en-US")} memories. The bare ` +
        "query reads the same columns, by the same driver, and parses the documents.",
      measures,
      targets: [
        ...Object.keys(places).map((page) =>
          ratioTarget(
            `${page} beside its query`,
            measures,
            [of(NAMES.ours, page), of(NAMES.floor, page)],
            "at most",
            1.5,
          ),
        ),
        ratioTarget(
          "late page beside the first",
          measures,
          [of(NAMES.ours, "late page"), of(NAMES.ours, "first page")],
          "at most",
          1.5,
        ),
      ],
    };
  } finally {
    await ours.close();
  }
}
