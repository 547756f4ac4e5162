import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request as openRequest, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { HUB_PATHS } from "../../../../src/hub/protocol/identity.ts";
import type { PushAnswers, PushChanges } from "../../../../src/hub/protocol/push.ts";
import type { Random } from "../../../support/random.ts";
import { type FaultRates, NO_FAULTS } from "../faults.ts";
import type { MessageKind, Recorder } from "../recorder.ts";

/** A request as it came, or an answer as it is given. */
interface Message {
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

interface Request extends Message {
  readonly method: string;
  readonly path: string;
}

interface Answer extends Message {
  readonly status: number;
}

export type CallStep = "identify" | "push" | "pull";

/** The hub, as the proxy reaches it. */
export interface ProxiedHub {
  readonly url: string;
  /**
   * Calls `carryOut`, and may kill the process of the hub at a step of it.
   * @throws The hub is gone.
   */
  killAtStep<Result>(step: CallStep, carryOut: () => Promise<Result>): Promise<Result>;
}

/** Milliseconds for which a slow answer is held back, at most. */
const SLOW_MS = 80;

/** An HTTP proxy between edges and their hub, which records what passes and breaks it. */
export class RecordingProxy {
  readonly #hub: ProxiedHub;
  readonly #recorder: Recorder;
  readonly #ways = new Map<string, ProxiedWay>();
  readonly #agent = new Agent({ keepAlive: true });
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  private constructor(hub: ProxiedHub, recorder: Recorder) {
    this.#hub = hub;
    this.#recorder = recorder;
  }

  static async start(hub: ProxiedHub, recorder: Recorder): Promise<RecordingProxy> {
    const proxy = new RecordingProxy(hub, recorder);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  /** The way of one edge: its hub is served below a path. */
  wayOf(edge: number, random: Random): ProxiedWay {
    const { port } = this.#server.address() as AddressInfo;
    const way = new ProxiedWay(edge, `http://127.0.0.1:${port}/edge-${edge}`, random);
    this.#ways.set(`edge-${edge}`, way);
    return way;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    this.#agent.destroy();
    await once(this.#server, "close");
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const [, name = "", ...path] = (incoming.url ?? "").split("/");
      const way = this.#ways.get(name);
      if (way === undefined) throw new Error(`${incoming.url} is not below a path of an edge`);
      const { method = "GET", headers } = incoming;
      const asked = `/${path.join("/")}`;
      const request = {
        ...{ method, headers, body: await bodyOf(incoming) },
        path: way.holdsNothing ? asked.replace(/waitMs=\d+/, "waitMs=0") : asked,
      };
      const sent = textOf(request);
      // Whatever becomes of it: the edge has let it go.
      this.#recorder.record(way.edge, stepOf(request.path) === "push" ? "push" : "other", `${request.path} ${sent}`);
      const answer = await way.pass(stepOf(request.path), () => this.#forward(way, request, sent));
      response.writeHead(answer.status, answer.headers).end(answer.body);
    } catch {
      response.destroy(); // No answer, as of a broken line.
    }
  }

  /** Has the hub carry the request out, and records its answer. */
  async #forward(way: ProxiedWay, request: Request, sent: string): Promise<Answer> {
    const step = stepOf(request.path);
    const answer = await this.#hub.killAtStep(step, () => this.#send(request));
    const kind: MessageKind = step === "pull" && answer.status === 200 ? "page" : "other";
    const text = textOf(answer);
    this.#recorder.record(way.edge, kind, text);
    if (step === "push" && answer.status === 200) {
      const { device, changes } = JSON.parse(sent) as { device: string; changes: PushChanges["changes"] };
      this.#recorder.answered(device, changes, JSON.parse(text) as PushAnswers);
    }
    return answer;
  }

  async #send({ method, path, headers, body }: Request): Promise<Answer> {
    const { hostname, port } = new URL(this.#hub.url);
    const outgoing = openRequest({ hostname, port, method, path, headers, agent: this.#agent });
    outgoing.end(body);
    const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
    return { status: incoming.statusCode ?? 0, headers: incoming.headers, body: await bodyOf(incoming) };
  }
}

/** What the network between one edge and the hub does at the moment. */
export class ProxiedWay {
  readonly edge: number;
  readonly url: string;
  isOnline = true;
  /** Requests for changes are answered at once, as some proxies have it. */
  holdsNothing = false;
  rates: FaultRates = NO_FAULTS;
  readonly #random: Random;
  readonly #late: (() => Promise<unknown>)[] = [];
  #dieAt: string | null = null;
  #onDie: () => void = () => undefined;

  constructor(edge: number, url: string, random: Random) {
    this.edge = edge;
    this.url = url;
    this.#random = random;
  }

  /** The edge's process is to be killed once one of its requests is at that step; null: at none. */
  dieAt(step: string | null, onDie: () => void): void {
    this.#dieAt = step;
    this.#onDie = onDie;
  }

  /** @throws No answer is to be given. */
  async pass(step: CallStep, carryOut: () => Promise<Answer>): Promise<Answer> {
    const { rates } = this;
    if (!this.isOnline || this.#comes(rates.dropped)) throw new Error("the request was dropped");
    this.#reach(`${step} received`);
    if (this.#comes(rates.late)) {
      this.#late.push(carryOut);
      throw new Error("the request is late");
    }
    const first = await carryOut();
    this.#reach(`${step} ${step === "push" ? "applied" : "read"}`);
    if (this.#comes(rates.unanswered)) throw new Error("the answer was lost");
    const answer = this.#comes(rates.doubled) ? await this.#again(carryOut, first) : first;
    if (this.#comes(rates.slow)) await delay(this.#random.below(SLOW_MS));
    return answer;
  }

  async deliverLate(): Promise<boolean> {
    const [request] = this.#late.splice(this.#random.below(this.#late.length), 1);
    await request?.().catch(() => undefined); // The hub may be gone: nobody waits for an answer.
    return request !== undefined;
  }

  async #again(carryOut: () => Promise<Answer>, first: Answer): Promise<Answer> {
    const second = await carryOut().catch(() => first);
    return this.#comes(0.5) ? first : second;
  }

  /** @throws The edge is gone. */
  #reach(step: string): void {
    if (this.#dieAt !== step) return;
    this.#onDie();
    throw new Error(`the edge was killed at ${step}`);
  }

  #comes(rate: number): boolean {
    return this.#random.next() < rate;
  }
}

function stepOf(path: string): CallStep {
  if (path.startsWith(HUB_PATHS.push)) return "push";
  return path.startsWith(HUB_PATHS.changes) ? "pull" : "identify";
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function textOf({ headers, body }: Message): string {
  return (headers["content-encoding"] === "gzip" ? gunzipSync(body) : body).toString("utf8");
}
