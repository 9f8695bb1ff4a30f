import type { Conversation, ConversationEvent } from "../../src/driver/conversation.js";

/** An application that takes messages of all channels, each as soon as it is handed over. */
export function takeAll(conversation: Conversation, event: ConversationEvent): void {
  if (event.type === "channel") conversation.receive(event.channel, "messages");
  if (event.type !== "message") return;
  // A channel that this end has opened.
  if (event.channel !== 0) conversation.receive(event.channel, "messages");
  conversation.take(event.channel, event.cost);
}
