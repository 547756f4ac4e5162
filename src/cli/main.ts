#!/usr/bin/env node
import module from "node:module";

// From Node 22.1 on: what was compiled once is kept in a folder for temporary files, and starts need not do it again.
(module as { enableCompileCache?: () => unknown }).enableCompileCache?.();
const { runCommandLine } = await import("./program.ts");

// Whoever read our output had enough (`mnemosync … | head`). The work goes on to its end, and cleans up after itself.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

// The exit code is set rather than acted on, so that what was printed gets through a slow pipe.
process.exitCode = await runCommandLine(process.argv.slice(2), process.env);
