/**
 * Where setup keeps the FAISS binding, and where the FAISS host looks for it when `faiss-node` does not load. One file for
 * both, as the two run without each other: setup before anything is built, the host out of a bundle.
 */
const { existsSync } = require("node:fs");
const { homedir } = require("node:os");
const { join } = require("node:path");

/** The version whose sources are compiled, as package.json has it. */
const BINDING_VERSION = "0.5.1";

/** The version of Node's binary interface that it is compiled for. Newer Nodes keep it. */
const NODE_API = 6;

const FILE_NAME = "faiss-node.node";

/** A home folder may be shared by machines: each kind has a folder of its own. */
function key() {
  const libc = process.platform !== "linux" ? "" : existsSync("/etc/alpine-release") ? "-musl" : "-glibc";
  return `faiss-node-${BINDING_VERSION}-napi${NODE_API}-${process.platform}-${process.arch}${libc}`;
}

/**
 * Folders that hold a binding with the libraries that it brings along, the nearest first.
 * - In the package: an image that is built as one user and runs as another has it.
 * - In the user's cache: package managers empty `node_modules`, and leave this alone.
 * @param {string} packageRoot the folder of mnemosync's package.json
 * @returns {{ inPackage: string, inCache: string }}
 */
function bindingFolders(packageRoot) {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return { inPackage: join(packageRoot, "binding", key()), inCache: join(cache, "mnemosync", key()) };
}

module.exports = { BINDING_VERSION, NODE_API, FILE_NAME, bindingFolders };
