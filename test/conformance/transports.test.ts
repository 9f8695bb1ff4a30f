import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { reactions } from "../support/event-loop.js";
import { type End, type Pair, RIGS } from "./rigs.js";

/** The second guard of the driver: so much may wait inside of a transport. */
const BUFFERED_BYTES_MAX = 128 * 1024;

/** Bytes that show where they belong. */
function patterned(length: number, seed: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => (seed * 31 + i * 7) & 0xff);
}

function sizesOf(largest: number): number[] {
  const sizes = [1, 2, 63, 64, 65, 1000, 4095, 4096, largest - 1, largest];
  return Array.from({ length: 60 }, (_, i) => sizes[i % sizes.length] as number);
}

const hashes = (batches: readonly Uint8Array[]) => batches.map((batch) => Buffer.from(batch).toString("base64"));

describe.each(RIGS)("conformance: $name", (rig) => {
  let pair: Pair;

  beforeEach(async () => {
    pair = await rig.open();
  });

  afterEach(async () => {
    vi.useRealTimers();
    expect([pair.client.story.breaches, pair.server.story.breaches]).toEqual([[], []]);
    await pair.stop();
  });

  const ends = (direction: string): [End, End] =>
    direction === "up" ? [pair.client, pair.server] : [pair.server, pair.client];

  function sendAll({ story }: End, batches: readonly Uint8Array[]): void {
    for (const batch of batches) story.call((transport) => transport.send(batch.slice()));
  }

  it("says what it is, on both ends", () => {
    const { client, server } = pair;
    for (const { transport } of [client, server]) {
      expect([transport.name, transport.greets]).toEqual([rig.transportName, rig.greets]);
      expect(transport.batchBytesMax).toBeGreaterThanOrEqual(16 * 1024);
    }
  });

  it.each(["up", "down"])("brings batches of all sizes whole and in order: %s", async (direction) => {
    const [from, to] = ends(direction);
    const batches = sizesOf(from.transport.batchBytesMax).map(patterned);
    sendAll(from, batches);
    expect(hashes(await to.story.batchesWhen(batches.length))).toEqual(hashes(batches));
    await reactions();
    expect(to.story.batches).toHaveLength(batches.length);
  });

  it.each(["up", "down"])("hands over bytes of which a part can be copied, to be kept: %s", async (direction) => {
    const [from, to] = ends(direction);
    sendAll(from, [patterned(1000, 1)]);
    const [batch] = (await to.story.batchesWhen(1)) as [Uint8Array];
    const part = batch.subarray(10, 20);
    expect(part.slice().buffer.byteLength).toBe(10);
    expect([...part.slice()]).toEqual([...patterned(1000, 1).subarray(10, 20)]);
  });

  it.each(["up", "down"])(
    "BAT-05: brings what was made for another transport, larger than its own: %s",
    async (direction) => {
      const [from, to] = ends(direction);
      const batches = [66_560, 10, 66_560].map(patterned);
      sendAll(from, batches);
      expect(hashes(await to.story.batchesWhen(3))).toEqual(hashes(batches));
    },
  );

  it("brings batches in both directions at once, each answered from where it arrives", async () => {
    const { client, server } = pair;
    server.story.onBatch = (batch) => server.transport.send(batch);
    const batches = sizesOf(5000).map(patterned);
    for (const batch of batches) {
      client.story.call((transport) => transport.send(batch.slice()));
      await reactions();
    }
    expect(hashes(await client.story.batchesWhen(batches.length))).toEqual(hashes(batches));
  });

  it.each(["up", "down"])("says what waits in it, and when that has become less: %s", async (direction) => {
    const [from, to] = ends(direction);
    let sent = 0;
    // The system below takes some megabytes of a WebSocket without a word.
    for (; sent < 2000 && from.transport.bufferedBytes === 0; sent++) sendAll(from, [patterned(16_000, sent)]);
    expect(from.transport.bufferedBytes).toBeGreaterThan(0);
    await to.story.batchesWhen(sent);
    if (!rig.tellsWritable.includes(direction)) return;
    await from.story.until(() => from.transport.bufferedBytes === 0);
    expect(from.story.of("writable").length).toBeGreaterThan(0);
  });

  it.each(["up", "down"])("lets a sender keep to its bound, and carries megabytes: %s", async (direction) => {
    const [from, to] = ends(direction);
    const total = 250;
    let sent = 0;
    const pump = (): void => {
      while (sent < total && from.transport.bufferedBytes < BUFFERED_BYTES_MAX) {
        from.transport.send(patterned(16_000, sent));
        sent += 1;
      }
    };
    from.story.onWritable = pump;
    // Acknowledgements wake the sender, too.
    to.story.onBatch = pump;
    pump();
    const arrived = await to.story.batchesWhen(total);
    expect(arrived.every((batch, i) => batch.length === 16_000 && batch[0] === ((i * 31) & 0xff))).toBe(true);
  });

  it.each(["up", "down"])(
    "close delivers what was handed over, then its code, and is told once: %s",
    async (direction) => {
      const [from, to] = ends(direction);
      const batches = sizesOf(3000).map(patterned);
      sendAll(from, batches);
      from.story.call((transport) => transport.close(4001, "done"));
      from.story.call((transport) => transport.send(Uint8Array.of(1)));
      const death = await to.story.death();
      expect(hashes(to.story.batches)).toEqual(hashes(batches));
      if (rig.passesCodes) expect(death).toMatchObject({ wasClean: true, code: 4001 });
      to.transport.send(Uint8Array.of(2));
      await settle();
      expect(to.story.deaths).toHaveLength(1);
      expect(from.story.told.filter(({ type }) => type !== "writable")).toEqual([]);
    },
  );

  it.each(["up", "down"])("close without anything to deliver: %s", async (direction) => {
    const [from, to] = ends(direction);
    from.story.call((transport) => transport.close(1000, ""));
    expect(await to.story.death()).toMatchObject({ wasClean: true, code: 1000 });
    expect(to.story.told).toHaveLength(1);
  });

  it.each(["up", "down"])("the other end learns of terminate, once, and this one of nothing: %s", async (direction) => {
    await pair.stop();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    pair = await rig.open();
    const [from, to] = ends(direction);
    from.story.call((transport) => transport.terminate());
    to.transport.send(Uint8Array.of(2));
    while (to.story.deaths.length === 0) {
      await reactions();
      // An HTTP client that has gone is noticed by its silence.
      vi.advanceTimersByTime(1000);
    }
    const death = await to.story.death();
    // A page cannot end a WebSocket without a close handshake.
    if (direction === "down" || !rig.greets) expect(death).toMatchObject({ wasClean: false, code: 1006 });
    await settle();
    expect(to.story.deaths).toHaveLength(1);
    expect(from.story.told).toEqual([]);
  });

  it.each(["up", "down"])("brings nothing more once it was terminated, also from a batch: %s", async (direction) => {
    const [from, to] = ends(direction);
    to.story.onBatch = () => {
      if (to.story.batches.length === 3) to.transport.terminate();
    };
    sendAll(from, sizesOf(100).map(patterned));
    await to.story.batchesWhen(3);
    await settle();
    expect(to.story.told.filter(({ type }) => type !== "writable")).toHaveLength(3);
  });

  it("ignores everything once it has ended", async () => {
    for (const { story, transport } of [pair.client, pair.server]) {
      transport.terminate();
      story.call((ended) => {
        ended.send(Uint8Array.of(1));
        ended.close(1000, "");
        ended.terminate();
      });
    }
    await settle();
    expect([pair.client.story.told, pair.server.story.told]).toEqual([[], []]);
  });
});

/** Lets pass what is on its way on the loopback interface. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await reactions();
}
