import { expect } from "vitest";
import type { End, Pair } from "./pair.js";

/** Nothing is left over: what a session ends every test with that has let it finish. */
export function expectBaseline(pair: Pair): void {
  for (const end of [pair.client, pair.server]) {
    if (!end.hasSession) continue;
    const { session, name } = end;
    expect(session.pollEvent(), `${name}: events`).toBeUndefined();
    expect(session.pollTransmit(1 << 20, pair.now), `${name}: batches`).toBeUndefined();
    const { queuedBytes, reassemblyBytes } = session.stats;
    expect({ queuedBytes, reassemblyBytes }, name).toEqual({ queuedBytes: 0, reassemblyBytes: 0 });
    if (session.isClosed) {
      expect(session.nextDeadline(), `${name}: deadline`).toBeUndefined();
      expect(end.of("closed"), name).toHaveLength(1);
    } else {
      expectQuiet(pair, end);
    }
  }
}

/** Everything that was accepted has been acknowledged, and nothing is due but the next heartbeat. */
function expectQuiet(pair: Pair, { session, name }: End): void {
  expect(session.stats.inFlightBytes, `${name}: in flight`).toBe(0);
  expect(session.bufferedBytes(), `${name}: buffered`).toBe(0);
  const deadline = session.nextDeadline();
  if (deadline === undefined) return;
  expect(deadline, `${name}: deadline`).toBeGreaterThan(pair.now);
  expect(deadline, `${name}: deadline`).toBeLessThanOrEqual(pair.now + 35_000);
}
