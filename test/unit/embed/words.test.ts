import { describe, expect, test } from "vitest";
import { tokens } from "../../../src/embed/words.ts";

const read = (text: string) => [...tokens(text)].map(({ kind, text: token }) => `${kind}:${token}`);

describe("tokens", () => {
  test.each<[string, string, string[]]>([
    ["words and numbers in lower case", "The 3 Cats, 2nd!", ["word:the", "word:3", "word:cats", "word:2nd"]],
    ["an English contraction as one word", "don't we’ll", ["word:don't", "word:we'll"]],
    ["an elided article as two", "l'histoire d'Anna", ["word:l", "word:histoire", "word:d", "word:anna"]],
    ["marks with their letters", "n\u0325a नमस्ते", ["word:n\u0325a", "word:नमस्ते"]],
    ["composed forms", "e\u0301", ["word:é"]],
    ["a script without spaces as a run", "我爱北京。天安门", ["run:我爱北京", "run:天安门"]],
    ["the prolonged sound mark inside its run", "スーパー", ["run:スーパー"]],
    ["a run next to a word", "新しいgpu搭載", ["run:新しい", "word:gpu", "run:搭載"]],
    ["Hangul, which has spaces, as words", "안녕 세계", ["word:안녕", "word:세계"]],
    ["emoji and flags one by one", "ok👍🏽🇨🇱❤️", ["word:ok", "symbol:👍", "symbol:🇨🇱", "symbol:❤"]],
    ["nothing in punctuation and white space", " \n—…!? ", []],
  ])("%s", (_, text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  test("long words come in pieces", () => {
    expect(read("x".repeat(150)).map((token) => token.length - "word:".length)).toEqual([64, 64, 22]);
  });

  test("a text longer than a window gives the tokens that it would give in one piece", () => {
    const words = Array.from({ length: 9000 }, (_, index) => (index % 7 === 0 ? "e\u0301te\u0301" : `word${index}`));
    const expected = words.map((word) => `word:${word.normalize("NFKC")}`);
    expect(read(words.join(" "))).toEqual(expected);
  });

  test("a window without white space never cuts a character in two", () => {
    const letters = "𝒜".repeat(20_000); // NFKC makes it "A"; half a pair would be lost.
    expect(read(`x${letters}`).join("").replaceAll("word:", "")).toHaveLength(20_001);
  });
});
