// @ts-check
// Defects that a protocol of this kind typically has, made on purpose: the simulation has to catch each of them.
//
// Left out, because nobody outside could tell: a RECEIVED that is ignored (everything is sent again, and dropped as a
// duplicate), a DETACH that is ignored (the end of the transport comes right behind it), acks on early data (nothing new has
// arrived by then that the HELLO does not say).

/** @type {readonly import("../simulation-bundle.mjs").Mutant[]} */
export const MUTANTS = [
  {
    name: "duplicates are read again",
    file: "receive/batch-order.ts",
    find: 'if (number <= this.#number) return "duplicate";',
    replace: 'if (number <= this.#number) return "next";',
  },
  {
    name: "gaps are read over",
    file: "receive/batch-order.ts",
    find: 'if (number > this.#number + 1) return "gap";',
    replace: "",
  },
  {
    name: "a replay begins one batch too late",
    file: "send/in-flight.ts",
    find: "this.#cursor = this.#head;",
    replace: "this.#cursor = Math.min(this.#head + 1, this.#batches.length);",
  },
  {
    name: "nothing is sent again",
    file: "send/outbound.ts",
    find: "this.#inFlight.rewind();",
    replace: "",
  },
  {
    name: "RECEIVED settles one batch too many",
    file: "send/in-flight.ts",
    find: "return this.#takeUpTo(number);",
    replace: "return this.#takeUpTo(number + 1);",
  },
  {
    name: "WELCOME does not say what was received",
    file: "session/server-session.ts",
    find: "received: this.exchange.inbound.receivedNumber,",
    replace: "received: 0,",
  },
  {
    name: "WELCOME acknowledges early data before it is read",
    file: "session/server-session.ts",
    find: "received: this.exchange.inbound.receivedNumber,",
    replace: "received: this.exchange.inbound.receivedNumber + 1,",
  },
  {
    name: "early data is thrown away",
    file: "session/server-session.ts",
    find: "for (const { batch, receivedAt } of held) this.read(batch, receivedAt, now);",
    replace: "void held;",
  },
  {
    name: "what is sent again gets a new number",
    file: "send/outbound.ts",
    find: "return { batch: due.batch, isNew: false, ended: [] };",
    replace:
      "const batch = due.batch.slice(); if (due.number < 60) batch[0] = due.number + 1; return { batch, isNew: false, ended: [] };",
  },
  {
    name: "new batches overtake the replay",
    file: "send/outbound.ts",
    find: "if (this.#inFlight.due !== undefined) return this.#pollReplay(this.#inFlight.due, space, now);",
    replace:
      "if (this.#inFlight.due !== undefined && this.#sender.isDrained) return this.#pollReplay(this.#inFlight.due, space, now);",
  },
  {
    name: "CLOSE does not wait for the replay",
    file: "send/outbound.ts",
    profile: "closing",
    find: "if (this.#inFlight.due !== undefined) return undefined;",
    replace: "",
  },
  {
    name: "what is kept for a replay has no bound",
    file: "send/outbound.ts",
    find: "const replayRoomBytes = this.#limits.replayBytesMax - this.#inFlight.bytes;",
    replace: "const replayRoomBytes = Number.POSITIVE_INFINITY;",
  },
  {
    name: "the bytes on the line survive it",
    file: "send/in-flight.ts",
    find: "this.#lineBytes = 0;",
    replace: "",
  },
  {
    name: "batches of an old transport count",
    file: "session/session.ts",
    find: "if (epoch !== this.attachment.epoch) return;",
    replace: "if (this.attachment.epoch === undefined) return;",
  },
  {
    name: "the death of an old transport ends the new attachment",
    file: "session/session.ts",
    find: "if (epoch === this.attachment.epoch) this.handleDeath(1000, now, error);",
    replace: "if (this.attachment.epoch !== undefined) this.handleDeath(1000, now, error);",
  },
  {
    name: "unfinished messages are forgotten with the transport",
    file: "session/session.ts",
    find: 'this.emit({ type: "detached", epoch, transportCode });',
    replace: 'this.exchange.inbound.clear(); this.emit({ type: "detached", epoch, transportCode });',
  },
  {
    name: "an ack in a batch that is sent again confirms the WELCOME",
    file: "session/session.ts",
    find: "if (!isNumbered && this.attachment.confirm())",
    replace: "if (this.attachment.confirm())",
  },
  {
    name: "what arrives is no sign of life",
    file: "session/session.ts",
    find: "this.keepalive?.handleReceived(now);",
    replace: "",
  },
  {
    name: "a silent line never counts as dead",
    file: "session/session.ts",
    find: 'if (due === "dead") this.handleDeath(1000, now);',
    replace: "",
  },
  {
    name: "the token is not renewed",
    file: "registry/credentials.ts",
    find: "this.#current = next;",
    replace: "void next;",
  },
  {
    name: "the token before is of no use at once",
    file: "registry/credentials.ts",
    find: 'this.#previous = used ?? "attempt";',
    replace: "this.#previous = undefined; void used;",
  },
  {
    name: "the token before is good for ever",
    file: "registry/credentials.ts",
    find: "this.#previous = undefined;",
    replace: "",
  },
  {
    name: "the attempt is of no use once there is a token",
    file: "registry/credentials.ts",
    find: '#previous: Uint8Array | "attempt" | undefined = "attempt";',
    replace: '#previous: Uint8Array | "attempt" | undefined = undefined;',
  },
  {
    name: "who is refused after CLOSE has lost the session",
    file: "session/client-session.ts",
    profile: "closing",
    find: "this.end(this.#agreedEnd ?? ",
    replace: "this.end(",
  },
  {
    name: "a session that ends with its early data takes the WELCOME along",
    file: "session/attachment.ts",
    profile: "closing",
    find: 'if (this.#due?.type !== "welcome") this.#due = undefined;',
    replace: "this.#due = undefined;",
  },
  {
    name: "any token will do",
    file: "registry/registry.ts",
    find: "entry.credentials.accepts(this.#hash(resume.token));",
    replace: "entry.credentials.accepts(this.#hash(resume.token)) || true;",
  },
  {
    name: "the origin is not compared",
    file: "registry/registry.ts",
    find: "entry.owner.origin === owner.origin && ",
    replace: "",
  },
  {
    name: "the principal is not compared",
    file: "registry/registry.ts",
    find: " && entry.owner.principal === owner.principal",
    replace: "",
  },
  {
    name: "an epoch counts twice",
    file: "registry/registry.ts",
    find: "const isLater = hello.epoch > entry.epoch;",
    replace: "const isLater = hello.epoch >= entry.epoch;",
  },
  {
    name: "a RECEIVED from the future is believed",
    file: "session/server-session.ts",
    find: "return !this.isClosed && this.exchange.outbound.canSettle(received);",
    replace: "return !this.isClosed;",
  },
  {
    name: "an attempt is forgotten with its session",
    file: "registry/registry.ts",
    find: "this.#byAttempt.set(entry.attemptKey, undefined);",
    replace: "this.#byAttempt.delete(entry.attemptKey);",
  },
  {
    name: "attempts are remembered only as long as sessions are kept",
    file: "registry/registry.ts",
    find: "const memoryMs = Math.max(this.#limits.resumeWindowMs, ATTEMPT_MEMORY_MS);",
    replace: "const memoryMs = this.#limits.resumeWindowMs;",
  },
  {
    name: "a parked session never expires",
    file: "registry/registry.ts",
    find: "entry.expiresAt = now + this.#limits.resumeWindowMs;",
    replace: "entry.expiresAt = now + 1e12;",
  },
  {
    name: "a client forgets that another server may have read its batches",
    file: "session/identity.ts",
    find: "const wantsKnown = resume !== undefined || isAnother;",
    replace: "const wantsKnown = resume !== undefined || (isAnother && false);",
  },
  {
    name: "early data has no bound",
    file: "session/attachment.ts",
    find: 'if (state.name === "awaiting-welcome") return EARLY_BYTES_MAX - state.early.bytes;',
    replace: 'if (state.name === "awaiting-welcome") return Number.POSITIVE_INFINITY;',
  },
  {
    name: "a client does not say that it is welcome",
    file: "session/client-session.ts",
    find: "this.unnumbered.push(this.exchange.inbound.acks.restate(now));",
    replace: "this.exchange.inbound.acks.restate(now);",
  },
  {
    name: "a refused resume makes everything never written",
    file: "session/client-session.ts",
    find: "this.attachment.introduce(epoch, hello, outbound.sentNumber);",
    replace: "this.attachment.introduce(epoch, hello, Math.min(0, outbound.sentNumber));",
  },
  {
    name: "a message that has left can be taken back",
    file: "send/sender.ts",
    find: 'if (known === undefined || known.message.stage === "written") return false;',
    replace: "if (known === undefined) return false;",
  },
  {
    name: "a message that has begun to leave can expire",
    file: "send/sender.ts",
    profile: "line",
    find: "if (message.firstNumber === undefined) this.#seal(message, channel);",
    replace: "",
  },
  {
    name: "a message whose time is over leaves when the timer is late",
    file: "send/outbound.ts",
    profile: "page",
    find: "this.#sender.handleDeadline(now);",
    replace: "",
  },
  {
    name: "a message of the same key queues behind the others",
    file: "send/sender.ts",
    profile: "cuts",
    find: "if (old === undefined || !channel.messages.replace(old, message)) channel.messages.push(message);",
    replace: "channel.messages.push(message);",
  },
  {
    name: "a message of the same key does not end the older one",
    file: "send/sender.ts",
    profile: "cuts",
    find: 'if (old !== undefined) this.#drop(old, channel, "superseded");',
    replace: "",
  },
  {
    name: "the first ack of a message makes it delivered",
    file: "send/sender.ts",
    find: "if (!last) continue;",
    replace: "if (!last && !this.#messages.has(message.id)) continue;",
  },
  {
    name: "high is normal",
    file: "send/scheduler.ts",
    find: 'this.#enter(channel, channel.priority === "high" ? "high" : "fresh");',
    replace: 'this.#enter(channel, "fresh");',
  },
];
