import { devicesSchema } from "../../documents/device-documents.ts";
import type { Device } from "../../hub/devices.ts";
import type { MemorySynchronizer } from "../../index.ts";
import { columns } from "../columns.ts";
import type { CliCommand, CommandResult, Invocation } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { namedAction } from "../named-action.ts";
import { withoutIndex, withSynchronizer } from "../session.ts";
import { timeText } from "../terminal.ts";

type Action = (devices: MemorySynchronizer["hub"]["devices"], invocation: Invocation) => Promise<CommandResult>;

const PAGE = 1_000;

const ACTIONS: Readonly<Record<string, Action>> = {
  list: async (devices, { signal }) => {
    const found: Device[] = [];
    for (let after = ""; ; ) {
      const page = await devices.list({ after, limit: PAGE }, signal);
      found.push(...page);
      if (page.length < PAGE) break;
      after = page.at(-1)?.device ?? "";
    }
    const json = devicesSchema().parse({ devices: found, after: null });
    return { exitCode: EXIT.ok, json, text: found.length === 0 ? "no device has called yet" : table(found) };
  },
  show: async (devices, invocation) => shown(await devices.get(deviceOf(invocation), invocation.signal)),
  revoke: async (devices, invocation) => shown(await devices.revoke(deviceOf(invocation), invocation.signal)),
  admit: async (devices, invocation) => shown(await devices.admit(deviceOf(invocation), invocation.signal)),
};

export const deviceCommand: CliCommand = {
  async run(invocation) {
    const [action = "list"] = invocation.args;
    const act = namedAction(ACTIONS, action);
    return await withSynchronizer(invocation, (sync) => act(sync.hub.devices, invocation), withoutIndex);
  },
};

function deviceOf({ args }: Invocation): string {
  const [action, device] = args;
  if (device === undefined) throw new UsageError(`device ${action} needs the id: mnemosync device list has it`);
  return device;
}

function shown(device: Device): CommandResult {
  const lines = Object.entries(device).filter(([, value]) => value !== null);
  const width = Math.max(...lines.map(([name]) => name.length));
  const text = lines.map(([name, value]) => `${name.padEnd(width)}  ${String(value)}`).join("\n");
  return { exitCode: EXIT.ok, json: device, text };
}

function table(devices: readonly Device[]): string {
  const heads = [
    { head: "state" },
    { head: "device", whole: true },
    ...["name", "owner", "last seen", "behind by", "unsettled"].map((head) => ({ head })),
  ];
  const rows = devices.map(({ state, device, name, owner, lastSeenAt, behindSeconds, unsettled }) => [
    state,
    device,
    name ?? "",
    owner,
    timeText(Date.parse(lastSeenAt)),
    behindSeconds === null ? "has not read" : `${Math.round(behindSeconds)} s`,
    String(unsettled),
  ]);
  return columns(heads, rows);
}
