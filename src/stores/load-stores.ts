import { createRequire } from "node:module";
import { isAbsolute, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ConfigurationError, MnemosyncError } from "../domain/errors.ts";
import type { Log } from "../runtime/log.ts";
import type { Projection } from "./projection.ts";
import { checkStore } from "./registry.ts";
import type { StoreModule } from "./settings.ts";

/** The context of a store's factory, passed beside its options. */
export interface StoreContext {
  /** Name of this node in version vectors and queues. */
  readonly nodeId: string;
  readonly log: Log;
  /** Fires when the program aborts `connect`. */
  readonly signal: AbortSignal;
}

/**
 * Creates a store from the options beside its module in the settings. The program closes the store with
 * `Projection.close`, after its own work has ended.
 */
export type StoreFactory = (
  options: Readonly<Record<string, unknown>>,
  context: StoreContext,
) => Projection | Promise<Projection>;

/** A module in the settings, as its export. */
type LoadedModule = Readonly<Record<string, unknown>>;

const NEXT = "export a function createStore(options, context), or a default one, that returns a Projection";

/**
 * Loads the modules of the setting `stores` and creates their stores, in order. When one fails, the stores already created
 * are closed.
 * @throws {ConfigurationError} A module cannot be loaded, has no factory, or its factory returns no usable store.
 */
export async function loadStores(modules: readonly StoreModule[], context: StoreContext): Promise<Projection[]> {
  const stores: Projection[] = [];
  try {
    for (const { module, options } of modules) stores.push(await loadStore(module, options, context));
    return stores;
  } catch (error) {
    await Promise.allSettled(stores.map(async (store) => await store.close?.()));
    throw error;
  }
}

async function loadStore(
  name: string,
  options: Readonly<Record<string, unknown>>,
  context: StoreContext,
): Promise<Projection> {
  const factory = factoryOf(name, await importModule(name));
  let store: unknown;
  try {
    store = await factory(options, context);
  } catch (cause) {
    context.signal.throwIfAborted();
    if (cause instanceof MnemosyncError) throw cause; // Keep the store's own error and its code.
    throw new ConfigurationError(`store module ${name}: its factory failed with: ${messageOf(cause)}`, { cause });
  }
  try {
    checkStore(store);
    return store;
  } catch (cause) {
    throw new ConfigurationError(`store module ${name}: ${messageOf(cause)}`, { cause });
  }
}

function factoryOf(name: string, exports: LoadedModule): StoreFactory {
  // A CommonJS module has its exports under `default`.
  const inner = exports.default as LoadedModule | undefined;
  const candidates = [exports.createStore, exports.default, inner?.createStore, inner?.default];
  const factory = candidates.find((candidate) => typeof candidate === "function");
  if (factory !== undefined) return factory as StoreFactory;
  const found = Object.keys(exports).join(", ") || "nothing";
  throw new ConfigurationError(`store module ${name} has no factory: it exports ${found}; ${NEXT}`);
}

/** @param name a path, relative to the current directory; a file URL; or a package. */
async function importModule(name: string): Promise<LoadedModule> {
  const isPath = /^\.{1,2}([\\/]|$)/.test(name) || isAbsolute(name);
  const places = isPath ? [pathToFileURL(resolve(name)).href] : [...fromCurrentDirectory(name), name];
  let failure: unknown;
  for (const place of places) {
    try {
      return (await import(place)) as LoadedModule;
    } catch (error) {
      failure = error;
      if (!isNotFound(error)) break; // The module exists, and fails while it loads.
    }
  }
  const next = isPath
    ? "paths are relative to the current directory"
    : `install it with npm install ${name}, or give the path of a file`;
  throw new ConfigurationError(
    isNotFound(failure)
      ? `store module ${name} cannot be loaded: ${messageOf(failure)}; ${next}`
      : `store module ${name} fails while it loads: ${messageOf(failure)}`,
    { cause: failure },
  );
}

/** Resolves a package from the current directory's project, because the program may be installed elsewhere. */
function fromCurrentDirectory(name: string): string[] {
  if (URL.canParse(name)) return [];
  try {
    return [pathToFileURL(createRequire(join(process.cwd(), "package.json")).resolve(name)).href];
  } catch {
    return []; // Missing, or ESM-only: the import below then finds it or reports the reason.
  }
}

function isNotFound(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND" || code === "ERR_UNSUPPORTED_DIR_IMPORT";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
}
