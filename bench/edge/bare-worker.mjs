/**
 * A bare commit in a thread of its own: a message with the row, one transaction with one insert, a message back. What a write of a file whose
 * caller is not to be held up costs at least. Node without a loader, as the edge's own thread.
 */
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { loadDriver } from "../../dist/edge/sqlite/drivers.js";

const { driver, directory } = workerData;
const database = loadDriver(driver).open(join(directory, `bare-${Math.random().toString(36).slice(2)}.db`), 5_000);
database.prepare("pragma journal_mode = wal").all();
database.exec("pragma synchronous = FULL; create table documents (id text primary key, body text)");
const insert = database.prepare("insert into documents values (?, ?)");

parentPort?.on("message", (row) => {
  if (row === null) {
    database.close();
    parentPort?.close();
    return;
  }
  database.exec("begin immediate");
  insert.run(row.id, row.body);
  database.exec("commit");
  parentPort?.postMessage(null);
});
