/** Lets everything run that is due by now: promises that are settled call whom they have to. */
export function reactions(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Runs `run` and returns what stays uncaught until the tasks it has started are through; the test runner gets none. */
export async function captureUncaught(run: () => unknown): Promise<unknown[]> {
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", onError);
  try {
    await run();
    for (let i = 0; i < 3; i++) await reactions();
  } finally {
    process.off("uncaughtException", onError);
    for (const listener of listeners) process.on("uncaughtException", listener);
  }
  return errors;
}
