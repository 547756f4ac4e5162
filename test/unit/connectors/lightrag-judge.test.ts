import { describe, expect, test } from "vitest";
import { parseDocument, type RagDocument } from "../../../src/connectors/lightrag/documents.ts";
import { judge } from "../../../src/connectors/lightrag/judge.ts";

const NAME = "mem_a_v1.md";
const document = (fields: Partial<RagDocument>): RagDocument => ({
  ...{ id: "doc-1", name: NAME, state: "pending", error: null, duplicateOf: null },
  ...fields,
});

describe("documents are judged", () => {
  test("by exactly our name: another one's success is none of ours", () => {
    for (const name of ["mem_a_v10.md", "mem_a_v1.md.bak", "MEM_A_V1.md", ""]) {
      expect(judge(NAME, [document({ name, state: "processed" })])).toEqual({ kind: "absent" });
    }
  });

  test("as delivered where one of several is processed", () => {
    const found = [document({ state: "failed" }), document({ id: "doc-2", state: "processed" })];
    expect(judge(NAME, found)).toEqual({ kind: "delivered", documentId: "doc-2" });
  });

  test.each(["pending", "parsing", "analyzing", "processing", "preprocessed", "other"] as const)(
    "as being worked on while %s",
    (state) => {
      expect(judge(NAME, [document({ state })])).toEqual({ kind: "working", documentIds: ["doc-1"] });
    },
  );

  test("as failed with all documents of the name, and the server's reason", () => {
    const found = [document({ state: "failed", error: "no model" }), document({ id: "doc-2", state: "failed" })];
    expect(judge(NAME, found)).toEqual({ kind: "failed", documentIds: ["doc-1", "doc-2"], error: "no model" });
  });

  test("as a duplicate where the server names another one, and never as delivered by it", () => {
    const duplicate = document({ id: "dup-1", state: "failed", duplicateOf: "doc-9" });
    expect(judge(NAME, [duplicate])).toEqual({ kind: "duplicate", documentId: "dup-1", originalId: "doc-9" });
    expect(judge(NAME, [duplicate, document({})])).toMatchObject({ kind: "working" });
    expect(judge(NAME, [document({ id: "dup-1", state: "processed", duplicateOf: "" })])).toMatchObject({
      kind: "duplicate",
    });
  });
});

describe("a record of the server", () => {
  test("is read in both contracts' spellings", () => {
    const record = { id: "doc-1", file_path: NAME, status: "DocStatus.PROCESSED", metadata: null };
    expect(parseDocument(record)).toEqual(document({ state: "processed" }));
    expect(parseDocument({ id: "doc-1", file_path: NAME, status: "failed", error: "why" })).toMatchObject({
      state: "failed",
      error: "why",
    });
  });

  test("of a duplicate is known by its id as well as by its metadata", () => {
    expect(parseDocument({ id: "dup-1", status: "failed" })).toMatchObject({ duplicateOf: "", name: "" });
    const told = { id: "doc-2", status: "failed", metadata: { is_duplicate: true, original_doc_id: "doc-1" } };
    expect(parseDocument(told)).toMatchObject({ duplicateOf: "doc-1" });
  });

  test.each([null, "text", {}, { id: "" }, { id: 3 }])("%o is none", (value) => {
    expect(parseDocument(value)).toBeNull();
  });
});
