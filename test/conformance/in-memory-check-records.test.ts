import { CheckRecordsState, InMemoryCheckRecords } from "../support/in-memory-check-records.ts";
import { describeCheckRecords, type OpenCheckRecords } from "./check-records.ts";

class Records implements OpenCheckRecords {
  #now = 1_000_000;
  #state = new CheckRecordsState();
  one = this.#node("one");
  two = this.#node("two");

  async wait(milliseconds: number): Promise<void> {
    this.#now += milliseconds;
  }

  async clear(): Promise<void> {
    this.#state = new CheckRecordsState();
    this.one = this.#node("one");
    this.two = this.#node("two");
  }

  async close(): Promise<void> {
    // Nothing is open.
  }

  #node(name: string): InMemoryCheckRecords {
    return new InMemoryCheckRecords(name, () => this.#now, this.#state);
  }
}

describeCheckRecords("in memory", async () => new Records());
