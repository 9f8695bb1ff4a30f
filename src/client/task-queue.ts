import { Fifo } from "../core/fifo.js";
import { report } from "./platform.js";

/**
 * Behind each listener of an event of the platform everything runs that was awaited in it (HTML, "clean up after running script"),
 * as it does behind a task. So as many jobs as an event has listeners may run one after the other in the task of the event: a
 * task of its own for each costs more than all the rest of a small message.
 */
const JOBS_PER_TASK = 32;

/** Then timers, input and rendering have their turn, ms: half a frame of 120 Hz. */
const TASK_MS_MAX = 4;

/**
 * Ports of one page talk through another thread: who waits for each task before he asks for the next idles for most of the
 * time. Where a task has one job only, 16 asked for make a burst of small events 2.5 times as fast; 64 bring no more.
 */
const TASKS_AHEAD = { full: 2, single: 16 } as const;

/** Ports of Node keep the process alive, unless they are told not to. */
type TaskPort = MessagePort & { ref?(): void; unref?(): void };

/**
 * Runs jobs in order, each as if it had a task of its own, like the events of a native WebSocket: an `await` in one listener
 * is over before the next event comes. In listeners of one event where that holds, which shows at the first; where it does not
 * (Node calls all listeners in one go), each in a task. Messages of a channel, because timers are throttled.
 *
 * Invariant: while jobs wait, a task is asked for, or one of our listeners that runs or is still to run will ask for it.
 */
export class TaskQueue {
  readonly #jobs: Fifo<() => void> = new Fifo();
  /** Made for the first job that needs a task, and kept: to make them for each burst of two costs more than the burst. */
  #ports: { readonly asked: TaskPort; readonly asking: MessagePort } | undefined;
  #state: "open" | "ended" = "open";
  /** Tasks asked for that have not begun. */
  #askedTasks = 0;
  /**
   * Where the queue is in an event of the platform. `"first"`: in `within`, whose first job is done in its listener;
   * `"followed"`: between that one and the last of our listeners; `"task"`: in a task that was asked for.
   */
  #phase: "none" | "first" | "followed" | "task" = "none";
  /** When the first job of the event was done that was not alone; a message that comes alone must not pay for the clock. */
  #phaseAt: number | undefined;
  /**
   * Whether microtasks have run since a job of this event: until that is seen behind one of its listeners, and so `"known"`, the
   * next one does nothing while they have not.
   */
  #microtasks: "none" | "due" | "seen" | "known" = "none";
  #jobsPerTask = JOBS_PER_TASK;

  /**
   * Calls `run`, which the platform has begun a task for. The first job that it brings is done in that task, where none waits
   * before it: one that a single message brings is spared a task of its own.
   * @param followers how often `follow` is called by other listeners of the same event
   */
  within(run: () => void, followers = 0): void {
    if (this.#phase === "followed") this.#endEvent();
    if (this.#jobs.length > 0 || this.#phase !== "none") return run();
    this.#beginEvent("first");
    try {
      run();
    } finally {
      const job = this.#jobs.shift();
      if (followers > 0) this.#phase = "followed";
      else this.#endEvent();
      if (job !== undefined) this.#run(job);
      // It may have been the last of all.
      if (this.#jobs.length === 0 && this.#state === "ended") this.#rest();
    }
  }

  /** Another listener of the event that `within` was called for. `isLast`: no further one follows. */
  follow(isLast: boolean): void {
    if (this.#phase !== "followed") return;
    this.#step();
    if (isLast) this.#endEvent();
  }

  push(job: () => void): void {
    this.#jobs.push(job);
    if (this.#phase === "none") this.#ask();
  }

  /** No more jobs are to be expected. Those that wait, or come all the same, are done. */
  end(): void {
    this.#state = "ended";
    if (this.#jobs.length === 0 && this.#phase !== "first") this.#rest();
  }

  #ask(): void {
    const isFull = this.#jobsPerTask > 1;
    const tasks = Math.min(Math.ceil(this.#jobs.length / this.#jobsPerTask), TASKS_AHEAD[isFull ? "full" : "single"]);
    while (this.#askedTasks < tasks) {
      this.#askedTasks += 1;
      this.#ports ??= this.#open();
      this.#ports.asked.ref?.();
      this.#ports.asking.postMessage(null);
    }
  }

  #open(): { readonly asked: TaskPort; readonly asking: MessagePort } {
    const { port1, port2 }: { readonly port1: TaskPort; readonly port2: MessagePort } = new MessageChannel();
    // Of Node, which would have no use for the others, and warn of them.
    if (port1.ref !== undefined) this.#jobsPerTask = 1;
    const listeners = this.#jobsPerTask;
    for (let number = 1; number <= listeners; number++) {
      port1.addEventListener("message", () => this.#handleTask(number === 1, number === listeners));
    }
    port1.start();
    return { asked: port1, asking: port2 };
  }

  /** One listener of a task that was asked for. */
  #handleTask(isFirst: boolean, isLast: boolean): void {
    if (isFirst) {
      this.#askedTasks = Math.max(0, this.#askedTasks - 1);
      this.#beginEvent("task");
    }
    this.#step();
    if (isLast) this.#endEvent();
  }

  #beginEvent(phase: "first" | "task"): void {
    this.#phase = phase;
    this.#phaseAt = undefined;
    if (this.#microtasks !== "known") this.#microtasks = "none";
  }

  #endEvent(): void {
    this.#phase = "none";
    this.#ask();
  }

  #step(): void {
    if (this.#microtasks === "due") {
      this.#jobsPerTask = 1;
      return;
    }
    if (this.#microtasks === "seen") this.#microtasks = "known";
    if (this.#jobs.length === 0) return;
    const now = performance.now();
    this.#phaseAt ??= now;
    if (now - this.#phaseAt >= TASK_MS_MAX) return;
    const job = this.#jobs.shift();
    if (this.#jobs.length === 0) this.#rest();
    if (job !== undefined) this.#run(job);
  }

  #run(job: () => void): void {
    if (this.#microtasks !== "known") {
      this.#microtasks = "due";
      queueMicrotask(this.#handleMicrotasks);
    }
    try {
      job();
    } catch (error) {
      report(error);
    }
  }

  readonly #handleMicrotasks = (): void => {
    if (this.#microtasks === "due") this.#microtasks = "seen";
  };

  /** Nothing waits. */
  #rest(): void {
    if (this.#state === "open") {
      this.#ports?.asked.unref?.();
      return;
    }
    this.#ports?.asked.close();
    this.#ports = undefined;
    this.#askedTasks = 0;
  }
}
