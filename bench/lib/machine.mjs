// @ts-check
import os from "node:os";

/** Numbers belong to the machine, the day and the load: this is printed beside them. */
export function describeMachine() {
  const cpus = os.cpus();
  const [load = 0] = os.loadavg();
  return (
    `${cpus.length} cores of ${cpus[0]?.model.trim() || "unknown make"}, ${os.type()} ${os.release()}, ` +
    `load ${load.toFixed(2)} before; Node ${process.version}`
  );
}
