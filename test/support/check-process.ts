import { type ConnectOptions, MemorySynchronizer } from "../../src/index.ts";

/** A node in a process of its own, to be killed: checks slowly, or starts its loops. Says `ready` once it does. */
interface Order {
  readonly options: ConnectOptions;
  readonly task: "deep check" | "loops";
  /** Of the check. */
  readonly memoriesPerSecondMax?: number;
}

const order = JSON.parse(process.argv[2] ?? "{}") as Order;
const sync = await MemorySynchronizer.connect(order.options);
if (order.task === "loops") {
  sync.start();
  process.stdout.write("ready\n");
} else {
  let said = false;
  await sync.checkConsistency({
    scope: "deep",
    ...(order.memoriesPerSecondMax !== undefined && { memoriesPerSecondMax: order.memoriesPerSecondMax }),
    onProgress: () => {
      if (!said) process.stdout.write("ready\n");
      said = true;
    },
  });
  process.stdout.write("done\n");
}
