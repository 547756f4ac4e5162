import Fastify from "fastify";
import { expect, test } from "vitest";
import { asProblem } from "../../../src/http/problem.ts";

test("a path that is no valid URL is refused without being repeated", async (t) => {
  let detail = "";
  const server = Fastify({
    frameworkErrors: (error, _request, reply) => {
      const problem = asProblem(error);
      detail = problem.message;
      void (reply as { code(status: number): { send(body: string): unknown } }).code(problem.status).send(detail);
    },
  });
  t.onTestFinished(() => server.close());
  server.get("/*", () => "reached");
  const response = await server.inject({ method: "GET", url: "/v1/%/secret-of-a-tenant" });
  expect(response.statusCode).toBe(400);
  expect(detail).toBe("the path is not a valid part of a URL: encode % as %25");
});
