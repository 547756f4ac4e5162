/**
 * A LangGraph agent with long-term memory on mnemosync: what it was told in one conversation (thread) it knows in the next, and of
 * one user nothing reaches another. The model is a script, so that this runs without a network: put your own in its place.
 *
 *     npx tsx examples/langgraph-agent.ts
 */

import { randomUUID } from "node:crypto";
import { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { BaseMessage } from "@langchain/core/messages";
import { AIMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import type { ChatResult } from "@langchain/core/outputs";
import { tool } from "@langchain/core/tools";
import { type LangGraphRunnableConfig, MemorySaver } from "@langchain/langgraph";
import { createReactAgent } from "@langchain/langgraph/prebuilt";
import { MemorySynchronizer } from "mnemosync";
import { MnemosyncStore } from "mnemosync/langgraph";
import * as z from "zod";
import { storesFor } from "./stores.ts";

/** Remembers what it is told and recalls what it is asked: as a language model would, by calling the two tools. */
class ScriptedModel extends BaseChatModel {
  constructor() {
    super({});
  }
  _llmType(): string {
    return "scripted";
  }
  override bindTools(): this {
    return this;
  }
  async _generate(messages: BaseMessage[]): Promise<ChatResult> {
    const message = this.#next(messages.at(-1));
    return { generations: [{ text: message.text, message }] };
  }
  #next(last: BaseMessage | undefined): AIMessage {
    if (last instanceof ToolMessage) return new AIMessage(last.text);
    const said = last?.text ?? "";
    const name = said.endsWith("?") ? "recall" : "remember";
    return new AIMessage({ content: "", tool_calls: [{ id: randomUUID(), name, args: { text: said } }] });
  }
}

const pathOf = (config: LangGraphRunnableConfig): string[] => ["users", String(config.configurable?.user)];
const schema = z.object({ text: z.string() });

const remember = tool(
  async ({ text }, config: LangGraphRunnableConfig) => {
    await config.store?.put(pathOf(config), randomUUID(), { text });
    return "I will remember that.";
  },
  { name: "remember", description: "Keeps a fact about the user for later conversations", schema },
);

const recall = tool(
  async ({ text }, config: LangGraphRunnableConfig) => {
    const [best] = (await config.store?.search(pathOf(config), { query: text, limit: 1 })) ?? [];
    return best === undefined ? "I do not know yet." : String(best.value.text);
  },
  { name: "recall", description: "Finds what the user said before", schema },
);

const sync = await MemorySynchronizer.connect({ ...storesFor(384), embedding: { provider: "hashing" } });
sync.start();

const agent = createReactAgent({
  llm: new ScriptedModel(),
  tools: [remember, recall],
  checkpointer: new MemorySaver(), // of one conversation
  store: new MnemosyncStore({ sync, index: { fields: ["text"] } }), // of all conversations
});

async function says(user: string, thread: string, text: string): Promise<string> {
  const config = { configurable: { user, thread_id: thread } };
  const { messages } = await agent.invoke({ messages: [new HumanMessage(text)] }, config);
  return `${user}, ${thread}: ${messages.at(-1)?.text}`;
}

console.log(await says("ana", "monday", "My daughter is allergic to cashews."));
console.log(await says("ana", "monday", "The train to Basel leaves at nine."));
console.log(await says("ana", "friday", "What is my daughter allergic to?"));
console.log(await says("ben", "friday", "What is my daughter allergic to?"));
await sync.close();
