/** A module of our own, so that the server can load the plugin when it needs it: bundles keep CommonJS exports only so. */
export { default } from "@fastify/cors";
