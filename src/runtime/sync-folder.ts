import { open } from "node:fs/promises";

/** Makes created and renamed entries of a folder durable: without it a crash may undo a rename that was reported. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
