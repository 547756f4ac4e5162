/**
 * What `next dev` does to the route after each saved change: the module is evaluated again, in the same process. Runs
 * without Next.
 *
 *     npx tsx examples/nextjs/hot-reload.ts
 */
type Route = typeof import("./app/api/memories/[memoryId]/route.ts");
type Library = typeof import("./lib/memory.ts");

const ROUTE = "./app/api/memories/[memoryId]/route.ts";
const LIBRARY = "./lib/memory.ts";

/** Evaluates a module anew: the query makes it another one for Node. */
async function reloaded<Module>(path: string, times: number): Promise<Module> {
  return (await import(`${path}?reload=${times}`)) as Module;
}

const context = { params: Promise.resolve({ memoryId: "likes" }) };
const first = await reloaded<Route>(ROUTE, 1);
const body = JSON.stringify({ content: "Amara likes figs.", memoryType: "semantic" });
const put = await first.PUT(new Request("http://localhost/api/memories/likes", { method: "PUT", body }), context);
console.log("put", put.status, await put.json());

const second = await reloaded<Route>(ROUTE, 2);
console.log("evaluated again:", second.GET !== first.GET);
const get = await second.GET(new Request("http://localhost/api/memories/likes"), context);
console.log("get", get.status, await get.json());

const [one, other] = await Promise.all([1, 2].map((times) => reloaded<Library>(LIBRARY, times)));
const sync = await one!.memory();
console.log("modules differ:", one !== other, "synchronizers differ:", sync !== (await other!.memory()));
await sync.close();
