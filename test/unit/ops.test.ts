import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import * as z from "zod";
import { checkEnvironment } from "../../src/config/environment.ts";

/** Goal: what operators take from `ops/` and the Dockerfile fits the program: its settings, routes, files and ports. */

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (...path: string[]) => readFileSync(join(root, ...path), "utf8");
const has = (program: string, ...args: string[]) => spawnSync(program, args).status === 0;
const paths = Object.keys((JSON.parse(read("docs", "openapi.json")) as { paths: object }).paths);

type Manifest = { kind: string; metadata: { name: string; labels?: Record<string, string> }; [field: string]: unknown };

/** Of the resources of the kustomization, and of the pattern of a secret. */
function manifests(): Map<string, Manifest> {
  const files = readdirSync(join(root, "ops/kubernetes")).filter((name) => name !== "kustomization.yaml");
  const documents = files.flatMap((name) => parseAllDocuments(read("ops/kubernetes", name)));
  for (const document of documents) expect(document.errors).toEqual([]);
  const found = documents.map((document) => document.toJS() as Manifest);
  return new Map(found.map((manifest) => [manifest.kind, manifest]));
}

const label = z.record(z.string(), z.string());
const probe = z.strictObject({
  httpGet: z.strictObject({ path: z.string(), port: z.literal("http") }),
  periodSeconds: z.int().positive(),
  timeoutSeconds: z.int().positive().optional(),
  failureThreshold: z.int().positive().optional(),
});
/** The parts of the API's schema that the deployment uses; a misspelt field is an error. */
const podSchema = z.strictObject({
  automountServiceAccountToken: z.literal(false),
  terminationGracePeriodSeconds: z.int().min(31),
  securityContext: z.strictObject({
    runAsNonRoot: z.literal(true),
    ...{ runAsUser: z.int(), runAsGroup: z.int(), fsGroup: z.int() },
    seccompProfile: z.strictObject({ type: z.literal("RuntimeDefault") }),
  }),
  topologySpreadConstraints: z.array(
    z.strictObject({
      ...{ maxSkew: z.int(), topologyKey: z.string(), whenUnsatisfiable: z.enum(["ScheduleAnyway", "DoNotSchedule"]) },
      labelSelector: z.strictObject({ matchLabels: label }),
    }),
  ),
  containers: z.tuple([
    z.strictObject({
      name: z.string(),
      image: z.string(),
      imagePullPolicy: z.enum(["Always", "IfNotPresent", "Never"]),
      ports: z.array(z.strictObject({ name: z.string(), containerPort: z.int() })),
      envFrom: z.array(z.strictObject({ configMapRef: z.strictObject({ name: z.string() }) })),
      env: z.array(
        z.strictObject({
          name: z.string(),
          valueFrom: z.strictObject({ secretKeyRef: z.strictObject({ name: z.string(), key: z.string() }) }),
        }),
      ),
      ...{ startupProbe: probe, livenessProbe: probe, readinessProbe: probe },
      resources: z.strictObject({
        requests: z.strictObject({ cpu: z.string(), memory: z.string() }),
        limits: z.strictObject({ memory: z.string() }),
      }),
      securityContext: z.strictObject({
        allowPrivilegeEscalation: z.literal(false),
        readOnlyRootFilesystem: z.literal(true),
        capabilities: z.strictObject({ drop: z.tuple([z.literal("ALL")]) }),
      }),
      volumeMounts: z.array(
        z.strictObject({ name: z.string(), mountPath: z.string(), readOnly: z.literal(true).optional() }),
      ),
    }),
  ]),
  volumes: z.array(
    z.strictObject({
      name: z.string(),
      emptyDir: z.strictObject({ sizeLimit: z.string() }).optional(),
      secret: z
        .strictObject({
          ...{ secretName: z.string(), defaultMode: z.int() },
          items: z.array(z.strictObject({ key: z.string(), path: z.string() })),
        })
        .optional(),
    }),
  ),
});

describe("the manifests of Kubernetes", () => {
  const found = manifests();
  const deployment = found.get("Deployment") as Manifest & {
    spec: { selector: { matchLabels: object }; template: { metadata: { labels: object }; spec: unknown } };
  };
  const pod = podSchema.parse(deployment.spec.template.spec);
  const [container] = pod.containers;
  const config = (found.get("ConfigMap") as unknown as { data: Record<string, string> }).data;
  const secret = (found.get("Secret") as unknown as { stringData: Record<string, string> }).stringData;

  test("select the pods that they make, and use only what they declare", () => {
    const { labels } = deployment.spec.template.metadata;
    expect(deployment.spec.selector.matchLabels).toEqual(labels);
    const service = found.get("Service") as unknown as { spec: { selector: object; ports: { port: number }[] } };
    const budget = found.get("PodDisruptionBudget") as unknown as { spec: { selector: { matchLabels: object } } };
    expect([service.spec.selector, budget.spec.selector.matchLabels]).toEqual([labels, labels]);
    const mounted = container.volumeMounts.map(({ name }) => name).sort();
    expect(mounted).toEqual(pod.volumes.map(({ name }) => name).sort());
    const keys = [
      ...container.env.map(({ valueFrom }) => valueFrom.secretKeyRef.key),
      ...pod.volumes.flatMap((volume) => volume.secret?.items.map(({ key }) => key) ?? []),
    ];
    expect(keys.sort()).toEqual(Object.keys(secret).sort());
    expect(service.spec.ports.map(({ port }) => port)).toEqual(container.ports.map((port) => port.containerPort));
  });

  test("leave the secret to the operator: applying them again does not overwrite it", () => {
    const { resources } = parse(read("ops/kubernetes/kustomization.yaml")) as { resources: string[] };
    const files = readdirSync(join(root, "ops/kubernetes"));
    expect([...resources].sort()).toEqual(files.filter((name) => !/^kustomization|example/.test(name)).sort());
    const applied = resources.flatMap((name) => parseAllDocuments(read("ops/kubernetes", name)));
    const kinds = applied.map((document) => (document.toJS() as Manifest).kind).sort();
    expect(kinds).toEqual([...found.keys()].filter((kind) => kind !== "Secret").sort());
  });

  test("set settings that there are, and ask for paths that are served", () => {
    const names = [...Object.keys(config), ...container.env.map(({ name }) => name)];
    checkEnvironment(Object.fromEntries(names.map((name) => [name, "x"])));
    expect(config.MNEMOSYNC_HTTP_PORT).toBe(String(container.ports[0]?.containerPort));
    const writable = container.volumeMounts.filter(({ readOnly }) => readOnly === undefined);
    expect(writable.some(({ mountPath }) => config.MNEMOSYNC_FAISS_DIRECTORY?.startsWith(`${mountPath}/`))).toBe(true);
    const { startupProbe, livenessProbe, readinessProbe } = container;
    for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) expect(paths).toContain(httpGet.path);
    // A store that is away is no reason for a restart.
    expect(livenessProbe.httpGet.path).toBe("/healthz");
  });

  test.skipIf(!has("kubectl", "version", "--client"))("are put together by kustomize", () => {
    const { status, stdout, stderr } = spawnSync("kubectl", ["kustomize", join(root, "ops/kubernetes")], {
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const kinds = parseAllDocuments(stdout).map((document) => (document.toJS() as Manifest).kind);
    expect(kinds.sort()).toEqual([...found.keys()].filter((kind) => kind !== "Secret").sort());
  });
});

describe("the unit of systemd", () => {
  const unit = read("ops/systemd/mnemosync.service");

  test("and its example of an environment set settings that there are", () => {
    const example = read("ops/systemd/environment.example");
    const names = [...`${example}\n${unit}`.matchAll(/^(?:Environment=)?(MNEMOSYNC_\w+)=/gm)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(5);
    checkEnvironment(Object.fromEntries(names.map((name) => [name, "x"])));
  });

  test.skipIf(!has("systemd-analyze", "--version"))("is one without a flaw, and exposes little", () => {
    const folder = mkdtempSync(join(tmpdir(), "mnemosync-unit-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, "mnemosync.service");
    // The program itself is not installed here, and neither is its environment.
    writeFileSync(path, unit.replace("/usr/local/bin/mnemosync", process.execPath));
    const verified = spawnSync("systemd-analyze", ["verify", "--man=no", path], { encoding: "utf8" });
    expect(`${verified.stdout}${verified.stderr}`.split("\n").filter((line) => line.includes("mnemosync"))).toEqual([]);
    expect(verified.status).toBe(0);
    // In tenths: of 100, the most exposed.
    const secured = spawnSync("systemd-analyze", ["security", "--offline=true", "--threshold=25", path], {
      encoding: "utf8",
    });
    expect({ status: secured.status, output: secured.status === 0 ? "" : secured.stdout }).toEqual({
      status: 0,
      output: "",
    });
  });
});

describe("the Dockerfile", () => {
  const text = read("Dockerfile").replaceAll("\\\n", " ");
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));

  test("is one, and copies what there is", () => {
    const all = spawnSync("git", ["ls-files", "*Dockerfile*"], { cwd: root, encoding: "utf8" })
      .stdout.trim()
      .split("\n");
    expect(all).toEqual(["Dockerfile"]);
    const copied = lines
      .filter((line) => /^COPY (?!--from)/.test(line))
      .flatMap((line) => line.split(/\s+/).slice(1, -1));
    expect(copied.length).toBeGreaterThan(5);
    for (const path of copied) expect([path, existsSync(join(root, path))]).toEqual([path, true]);
    const ignored = read(".dockerignore").split("\n");
    for (const path of copied) expect(ignored).not.toContain(path);
  });

  test("sets settings that there are, runs as no root, and asks whether it is alive", () => {
    const names = [...text.matchAll(/\b(MNEMOSYNC_[A-Z_]+)=/g)].map(([, name]) => name);
    checkEnvironment(Object.fromEntries(names.map((name) => [name, "x"])));
    expect(lines.filter((line) => line.startsWith("USER"))).toEqual(["USER node"]);
    expect(lines.find((line) => line.startsWith("HEALTHCHECK"))).toContain("/healthz");
    expect(lines.filter((line) => line.startsWith("FROM")).every((line) => /^FROM node:\d+-\S+/.test(line))).toBe(true);
  });
});
