#!/usr/bin/env node
import module from "node:module";

// From Node 22.1 on: Node keeps compiled code in a folder for temporary files, and later starts skip the compilation.
(module as { enableCompileCache?: () => unknown }).enableCompileCache?.();
const { runCommandLine } = await import("./program.ts");

// Sets the exit code instead of exiting, so that the output gets through a slow pipe.
process.exitCode = await runCommandLine(process.argv.slice(2), process.env);
