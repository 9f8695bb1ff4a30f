import { encodeBatch } from "../../src/core/wire/encode.js";
import { FrameType } from "../../src/core/wire/frame.js";
import { helloFrame } from "../../src/core/wire/handshake.js";
import { Line, type LineEnd } from "./line.js";
import type { Scene } from "./scene.js";
import { OWNER, type ServerHost } from "./server-host.js";
import { Violation } from "./world.js";

const STRANGER = { origin: "https://app.example", principal: "mallory" };
const ELSEWHERE = { origin: "https://evil.example", principal: "alice" };

/**
 * A HELLO that the server has had arrives once more on another connection, with the early data that came behind it:
 * browsers and proxies do so with requests. Nobody reads the answer. What was refused for good is not repeated: nothing on
 * the server remembers it, and it might be let in by now.
 */
export function repeatHello(scene: Scene, server: ServerHost): void {
  const { random } = scene.world;
  const candidates = scene.lines.filter(
    (line) =>
      line.number > 0 &&
      !line.isRefused &&
      line.acceptedBy === server.number &&
      line.up.deliveredCount > 0 &&
      // Before the server has answered, nothing is repeated: only a connection that is gone is tried again.
      (line.isClosing("client") || line.down.deliveredCount > 1),
  );
  if (candidates.length === 0) return;
  const { delivered } = random.pick(candidates).up;
  const early = delivered.slice(1).findIndex((batch) => batch[0] === 0);
  const earlyCount = early === -1 ? delivered.length - 1 : early;
  connect(scene, server, delivered.slice(0, 1 + random.below(earlyCount + 1)), OWNER, () => {});
}

/** Somebody who must not get in tries to. */
export function tryIntruder(scene: Scene, server: ServerHost): void {
  const { random } = scene.world;
  const guest = [...server.guests].find((any) => !any.isClosed);
  if (guest?.token === undefined) return;
  const { entry, token } = guest;
  const sessionId = bytesOf(entry.idKey);
  const attemptId = bytesOf(entry.attemptKey);
  const limits = scene.clientLimits;
  const later = guest.epoch + 1 + random.below(5);
  const hello = (epoch: number, resumeToken: Uint8Array | undefined, received: number | undefined) => [
    encodeBatch(0, [
      helloFrame({
        limits,
        attemptId,
        epoch,
        auth: undefined,
        resume: resumeToken && { sessionId, token: resumeToken },
        received,
      }),
    ]),
  ];
  const isRefused = (batch: Uint8Array) => {
    if (batch[1] === FrameType.WELCOME) throw new Violation("intruder", `${guest.pair.name} was given to a stranger`);
  };
  const attempts: (() => void)[] = [
    () => connect(scene, server, hello(later, random.bytes(32), 0), OWNER, isRefused),
    () => connect(scene, server, hello(later, token, 0), STRANGER, isRefused),
    () => connect(scene, server, hello(later, token, 0), ELSEWHERE, isRefused),
    () => connect(scene, server, hello(guest.epoch, token, 0), OWNER, isRefused),
    () => connect(scene, server, hello(later, token, 1_000_000), OWNER, isRefused),
    () => connect(scene, server, [random.bytes(1 + random.below(60))], OWNER, isRefused),
    () => connect(scene, server, [Uint8Array.of(1, FrameType.RESET, 0)], OWNER, isRefused),
  ];
  // What was good before is good until the newest token is known to have arrived.
  if (guest.isConfirmed) {
    const stale = guest.staleToken;
    attempts.push(() => connect(scene, server, hello(later, undefined, undefined), OWNER, isRefused));
    attempts.push(() => connect(scene, server, hello(later, undefined, 0), OWNER, isRefused));
    if (stale !== undefined) {
      attempts.push(() => connect(scene, server, hello(later, stale, 0), OWNER, isRefused));
    }
  }
  random.pick(attempts)();
}

function connect(
  scene: Scene,
  server: ServerHost,
  batches: readonly Uint8Array[],
  owner: typeof OWNER,
  hear: (batch: Uint8Array) => void,
): void {
  scene.counts.intruders += 1;
  const end: LineEnd = { handleBatch: hear, handleClosed() {}, handleWritable() {} };
  const line = new Line(scene.world, scene.model, { number: 0, epoch: 0 }, end);
  scene.lines.push(line);
  line.blame = "intruder";
  line.up.send(() => server.accept(line, owner));
  for (const batch of batches) line.up.send(batch);
  scene.world.after(scene.world.random.scale(10, 10_000), () => line.close("client"));
}

function bytesOf(key: string): Uint8Array {
  return Uint8Array.from(key, (char) => char.charCodeAt(0));
}
