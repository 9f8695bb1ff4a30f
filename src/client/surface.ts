export { SluiceError, type SluiceErrorCode } from "../core/error.js";
export type { BatchEnd, Trace, TracedChunk, TraceEvent, WaitingFor } from "../core/trace.js";
export type { Priority } from "../core/wire/frame.js";
export type { ChannelStats, Stats } from "../driver/conversation.js";
export type { SendOptions, SendProgress, SignalLike } from "../driver/pending-message.js";
export { Receipt, type ReceiptState } from "../driver/receipt.js";
export type { TransportName } from "../transport/transport.js";
export { Channel, type ChannelOptions } from "./channel.js";
export type { Handler } from "./event-handlers.js";
export type {
  ChannelEvent,
  ChannelEventMap,
  SessionLoss,
  SessionLostEvent,
  SluiceCloseEvent,
  SluiceErrorEvent,
  SluiceSocketEventMap,
} from "./events.js";
export type { SluiceBinaryType } from "./incoming.js";
export type { IncomingMessage, MessageData } from "./inlet.js";
export type { ClientLimits, SluiceSocketOptions } from "./options.js";
export type { SendData } from "./payload.js";
export { SluiceSocket } from "./sluice-socket.js";
export type { ConnectionState, ReadyState } from "./socket-state.js";
