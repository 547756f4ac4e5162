import { chmodSync, chownSync, copyFileSync, statSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import type { EmbeddedServer } from "../../src/dev/embedded-server.ts";
import { CERTIFICATE_FILE, KEY_FILE } from "./tls-front.ts";

/** Makes a PostgreSQL of ours speak TLS to those who ask for it, with the certificate of `TlsFront`. It starts anew. */
export async function offerTls(server: EmbeddedServer): Promise<void> {
  const sql = postgres(server.url, { max: 1 });
  try {
    const [row] = await sql<{ folder: string }[]>`select current_setting('data_directory') as folder`;
    const folder = row?.folder as string;
    const { uid, gid } = statSync(folder);
    // PostgreSQL's own names for them. It refuses a key that others may read.
    for (const [from, name] of [[CERTIFICATE_FILE, "server.crt"] as const, [KEY_FILE, "server.key"] as const]) {
      const to = join(folder, name);
      copyFileSync(from, to);
      chmodSync(to, 0o600);
      chownSync(to, uid, gid);
    }
    await sql`alter system set ssl = on`;
  } finally {
    await sql.end({ timeout: 1 });
  }
  await server.restart();
}
