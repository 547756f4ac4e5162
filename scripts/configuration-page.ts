import { optionLeaves } from "../src/config/parse.ts";

const INTRODUCTION = `# Configuration

<!-- Made from the settings of each room (src/*/settings.ts) by \`npm run docs\`. -->

Every setting has one name and four sources. A later source wins:

1. its default;
2. a file, YAML or JSON, named by \`--config\` or \`MNEMOSYNC_CONFIG\`, with the names below (\`faiss.dimension\` is
   \`dimension\` below \`faiss\`);
3. the environment: \`MNEMOSYNC_\` and the name in upper snake case;
4. a flag: the name in kebab case. Other users of a machine can see flags: put secrets into the environment.

The library takes the same names in \`MemorySynchronizer.connect({ … })\`, and reads neither file nor environment by itself.
An unknown name is an error in every source, and the message suggests the nearest known one if one is near. So is a YAML
tag that YAML does not know (\`!secret\`). \`mnemosync config\` shows every setting with its value and its source; secrets are
hidden. Lists are separated by commas in the environment and in flags.

The command line has two defaults of its own. \`embedding.provider\` is \`hashing\`. \`faiss.directory\` is
\`.mnemosync/faiss\` in the current directory, and \`nodeId\` is derived from it: set both for a service. A command that
creates the default folder says so; \`config\`, \`status\` and \`serve\` name the folder and the node. \`dev\` puts its index
into a temporary folder, unless a setting names one.

\`\`\`yaml
# mnemosync.yaml
redisUrl: redis://127.0.0.1:6379
faiss:
  directory: /var/lib/mnemosync/index
  dimension: 384
batchSize: 200
\`\`\`

## Which stores

PostgreSQL is the ledger and always there. \`redisUrl: none\` leaves Redis out. FAISS is left out in the library by giving no
\`faiss\`, and everywhere by \`faiss.directory: none\` (\`--faiss-directory none\`).

\`stores\` adds stores of your own, for the library, the command line and the service alike:

\`\`\`yaml
stores:
  - module: ./keyword-store.js # a path from the current directory, or a package
    options: { host: search.internal }
\`\`\`

\`\`\`js
// keyword-store.js; the default export may be the factory, too
export function createStore(options, { nodeId, log, signal }) {
  return new KeywordStore(options); // a Projection: id, traits, publish, read, scan, …
}
\`\`\`

The factory may be asynchronous. The program closes the store with its \`close()\`. In the environment and in a flag, give the
modules' names separated by commas (\`MNEMOSYNC_STORES=./keyword-store.js\`), or the list as JSON. The options of a store count
as secret: \`mnemosync config\` and error messages hide them.

## Settings

Two more variables belong to the tools: \`MNEMOSYNC_CONTAINERS=1\` lets demo and tests use containers,
\`MNEMOSYNC_REDIS_SERVER\` names the \`redis-server\` program that they start. Variables that Kubernetes makes for a service
called mnemosync are ignored.
`;

/** `docs/configuration.md`, from the declaration of the options. */
export function configurationPage(): string {
  const rows = optionLeaves().map(({ path, environmentName, flag, description, defaultText, secret }) => {
    const standard = defaultText === null ? "" : `\`${defaultText}\``;
    const text = `${description}${secret ? " (secret)" : ""}`.replaceAll("|", "\\|");
    return `| \`${path.join(".")}\` | ${text} | ${standard} | \`${environmentName}\` \`${flag}\` |`;
  });
  return `${[INTRODUCTION, "| option | meaning | default | environment, flag |", "|---|---|---|---|", ...rows].join("\n")}\n`;
}
