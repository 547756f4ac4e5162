import { HashingEmbedder } from "../../../src/embed/hashing-embedder.ts";
import { one, PINNED_TEXT, sha256 } from "./support.ts";

process.stdout.write(sha256(await one(new HashingEmbedder(), PINNED_TEXT)));
