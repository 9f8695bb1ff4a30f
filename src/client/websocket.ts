// The client without the transports over HTTP, for the smallest bundle.
export * from "./surface.js";
