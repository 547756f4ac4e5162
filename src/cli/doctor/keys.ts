import { stat } from "node:fs/promises";
import type { HttpSettings } from "../../config/http-settings.ts";
import { readKeys } from "../../http/keys-file.ts";
import { counted } from "../output.ts";
import { type Diagnosis, failure, note, ok, warning } from "./diagnosis.ts";

/** Whether the service can read its keys, and no other user can. @param now milliseconds since 1970. */
export async function diagnoseKeysFile(
  { keysFile: path, authentication }: HttpSettings,
  now = Date.now(),
): Promise<Diagnosis[]> {
  const check = "http.keysFile";
  if (authentication === "none") {
    return [note(check, "callers need no key", "http.authentication: keys makes the service ask for one")];
  }
  if (path === undefined) {
    const advice = "serve needs one: name it with http.keysFile, and make a key with mnemosync key add";
    return [note(check, "no setting names a keys file", advice)];
  }
  try {
    const [keys, { mode }] = [await readKeys(path), await stat(path)];
    const valid = keys.filter(({ expiresAt }) => expiresAt === undefined || Date.parse(expiresAt) > now);
    const found = `${path} has ${counted(valid.length, "valid key")}`;
    const advice = "mnemosync key add makes one";
    return [
      valid.length > 0 ? ok(check, found) : warning(check, `${found}: the service refuses every caller`, advice),
      privacy(path, mode & 0o777),
    ];
  } catch (error) {
    return [failure(check, (error as Error).message, "let this user read the file, or correct it: serve cannot start")];
  }
}

function privacy(path: string, mode: number): Diagnosis {
  const check = "http.keysFile.permissions";
  if ((mode & 0o077) === 0) return ok(check, "no other user can read the keys file");
  const found = `other users can reach ${path} (mode ${mode.toString(8).padStart(4, "0")})`;
  return warning(check, found, `chmod 600 ${path}: it names the callers of the service and their rights`);
}
