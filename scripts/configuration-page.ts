import { optionLeaves } from "../src/config/parse.ts";

const INTRODUCTION = `# Configuration

<!-- Made from src/config/options.ts by \`npm run docs\`. -->

Every setting has one name, in four places, the later ones winning:

1. its default;
2. a file, YAML or JSON, named by \`--config\` or \`MNEMOSYNC_CONFIG\`, with the names below (\`faiss.dimension\` is
   \`dimension\` below \`faiss\`);
3. the environment: \`MNEMOSYNC_\` and the name in upper snake case;
4. a flag: the name in kebab case. Flags are seen by other users of a machine: put secrets into the environment.

The library takes the same names in \`MemorySynchronizer.connect({ … })\`, and reads neither file nor environment by itself.
A name that does not exist is an error, wherever it stands, and the message has the nearest one. \`mnemosync config\` shows
what counts and where it comes from, secrets hidden. Lists are separated by commas in the environment and in flags.

Two defaults are the command line's own: \`faiss.directory\` is \`.mnemosync/faiss\` in the current directory, and
\`embedding.provider\` is \`hashing\`.

\`\`\`yaml
# mnemosync.yaml
redisUrl: redis://127.0.0.1:6379
faiss:
  directory: /var/lib/mnemosync/index
  dimension: 384
batchSize: 200
\`\`\`

Beside the settings: \`MNEMOSYNC_CONTAINERS=1\` lets demo and tests use containers, \`MNEMOSYNC_REDIS_SERVER\` names the
\`redis-server\` program that they start. Variables that Kubernetes makes for a service called mnemosync are left alone.
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
