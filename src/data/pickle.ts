/**
 * Reads Python pickles as data (https://github.com/python/cpython/blob/main/Lib/pickletools.py lists the format): tensors
 * and plain containers. No code is run, no name is looked up; a pickle that asks for more is refused.
 */
import type { ByteCursor } from './byte-cursor.js';
import { PickleMachine } from './pickle-machine.js';
import { OPERATIONS, STOP } from './pickle-operations.js';
import type { PickledStorage, PickleValue } from './pickle-values.js';

/** What a pickle holds. */
export interface Unpickled {
  readonly value: PickleValue;
  /** Storages of its tensors by key. */
  readonly storages: ReadonlyMap<string, PickledStorage>;
}

/**
 * Reads one pickle; the cursor is behind it then.
 * @throws GlobalPercError when it is truncated, damaged, too large, or names anything but tensors and plain containers.
 */
export function unpickle(cursor: ByteCursor): Unpickled {
  const machine = new PickleMachine(cursor);
  for (let code = cursor.byte(); code !== STOP; code = cursor.byte()) {
    const operation = OPERATIONS.get(code);
    if (operation === undefined) throw machine.bad(`0x${code.toString(16)} is no operation of a pickle that is read`);
    machine.spend(1);
    operation(machine);
  }
  return { value: machine.pop(), storages: machine.storages };
}
