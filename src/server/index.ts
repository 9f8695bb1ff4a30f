export { SluiceError, type SluiceErrorCode } from "../core/error.js";
export type { Limits } from "../core/limits.js";
export type { BatchEnd, TracedChunk, TraceEvent, WaitingFor } from "../core/trace.js";
export type { Priority } from "../core/wire/frame.js";
export type { ChannelStats, Stats } from "../driver/conversation.js";
export type { SendOptions, SendProgress, SignalLike } from "../driver/pending-message.js";
export { Receipt, type ReceiptState } from "../driver/receipt.js";
export type { TransportName } from "../transport/transport.js";
export type { ConnectionView } from "./connection-view.js";
export type {
  DomListener,
  ServerCloseEvent,
  ServerDomEvents,
  ServerErrorEvent,
  ServerMessageEvent,
  ServerSocketEvent,
} from "./dom-listeners.js";
export type { ServerTrace } from "./framed-socket.js";
export type { ServerIncomingMessage, ServerMessageData } from "./inlet.js";
export type { AuthenticateContext, ServerLimits, SluiceServerOptions } from "./options.js";
export type { Origins } from "./origins.js";
export type { ServerSendData } from "./payload.js";
export type { ServerBinaryType } from "./received-data.js";
export { ServerChannel, type ServerChannelEvents, type ServerChannelOptions } from "./server-channel.js";
export type { SluiceServerEvents } from "./server-events.js";
export { type SendCallback, type ServerSendOptions, ServerSocket, type ServerSocketEvents } from "./server-socket.js";
export type { ServerStats } from "./sessions.js";
export { SluiceServer } from "./sluice-server.js";
export type { VerifyClient, VerifyClientAnswer, VerifyClientInfo } from "./verify-client.js";
