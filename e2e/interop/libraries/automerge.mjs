import { ImmutableString } from "@automerge/automerge";
import { Repo } from "@automerge/automerge-repo";
import { NodeWSServerAdapter } from "@automerge/automerge-repo-network-websocket";
import { importForPage } from "../import-for-page.mjs";
import { item, items } from "../items.mjs";

/** A string is a text that people edit, unless it is said to be none: letter by letter, the large ones take seconds. */
const stored = ({ index, body }) => ({ index, body: new ImmutableString(body) });
const restored = ({ index, body }) => ({ index, body: body.val });

/** @type {import("../library.mjs").Library} Two documents, edited on both sides. Its client takes no class. */
export const automerge = {
  name: "automerge-repo",
  serve({ makeServer }) {
    const adapter = new NodeWSServerAdapter(makeServer());
    const repo = new Repo({ network: [adapter], peerId: "server", sharePolicy: async () => true });
    return () => repo.shutdown();
  },
  async use({ url, install, cuts, count }) {
    const uninstall = install();
    const { BrowserWebSocketClientAdapter } = await importForPage("@automerge/automerge-repo-network-websocket", {
      except: /^@automerge\/automerge-repo\b/,
    }).finally(uninstall);
    const [left, right] = await Promise.all(
      ["left", "right"].map(async (peerId) => {
        const adapter = new BrowserWebSocketClientAdapter(url);
        const repo = new Repo({ network: [adapter], peerId, sharePolicy: async () => true });
        // Of a peer that is not there yet, the server knows no documents, and says so. Repos are "ready" after a second.
        await new Promise((resolve) => repo.networkSubsystem.once("peer", resolve));
        return repo;
      }),
    );
    const document = left.create({ items: [] });
    const copy = await right.find(document.url);
    const isComplete = new Promise((resolve) => {
      let seen = 0;
      copy.on("change", ({ doc }) => {
        for (; seen < doc.items.length; seen++) cuts.received();
        if (doc.items.length === count) resolve(undefined);
      });
    });
    for (let index = 0; index < count; index++) {
      await cuts.next();
      document.change((doc) => doc.items.push(stored(item(index))));
    }
    await isComplete;
    const isAnswered = new Promise((resolve) => document.on("change", ({ doc }) => doc.answer && resolve(doc.answer)));
    copy.change((doc) => {
      doc.answer = "here";
    });
    await isAnswered;
    const received = [...copy.doc().items.map(restored), document.doc().answer];
    for (const repo of [left, right]) await repo.shutdown();
    return { received, expected: [...items(count), "here"] };
  },
};
