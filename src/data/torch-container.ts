/** What every format of torch.save comes down to. */
import type { PickledStorage, PickleValue } from './pickle-values.js';

/** A file of torch.save, whichever format: what was saved, and the bytes its tensors are views of. */
export interface TorchContainer {
  readonly value: PickleValue;
  read(storage: PickledStorage): Promise<Uint8Array>;
}
