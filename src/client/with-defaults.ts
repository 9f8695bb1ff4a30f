import { checkedOptions } from "./lifeline-options.js";
import { requireNames, SOCKET_NAMES } from "./option-names.js";
import type { SluiceSocketOptions } from "./options.js";
import type { SluiceSocket } from "./sluice-socket.js";

/**
 * A subclass of `Base` with other defaults, which are looked at now: a library may hide what a constructor throws.
 * @throws SluiceError `ERR_USAGE_ARGUMENT`
 */
export function withDefaults(Base: typeof SluiceSocket, defaults: SluiceSocketOptions): typeof SluiceSocket {
  requireNames("the options", defaults, SOCKET_NAMES);
  checkedOptions(defaults);
  return class SluiceSocket extends Base {
    constructor(url: string | URL, protocols: string | string[] = [], options: SluiceSocketOptions = {}) {
      // Without an argument the base class has to see none.
      if (arguments.length === 0) super(...([] as never as [string]));
      else super(url, protocols, { ...defaults, ...options });
    }
  };
}
