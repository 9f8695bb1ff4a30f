// The script for pages without modules: all of it in one global.
export * from "./index.js";
export { install } from "./install.js";
