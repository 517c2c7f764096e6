/** Which of the things in a checkpoint are the weights. */
import { GlobalPercError, listed } from '../graph/index.js';
import { kindOf, PickledTensor, type PickleValue } from './pickle-values.js';
import { withoutPrefix } from './prefix.js';

/** Entries that hold the weights, in the order they are looked for. */
const WRAPPERS = ['state_dict', 'model_state_dict', 'model', 'teacher', 'params_ema', 'params'] as const;

/** The entry that PyTorch Lightning writes into each of its checkpoints, and its name for the network in a module of its own. */
const [LIGHTNING, LIGHTNING_PREFIX] = ['pytorch-lightning_version', 'model.'];

/**
 * Tensors by name of what was saved, in its order: those of the first entry of `state_dict`, `model_state_dict`, `model`,
 * `teacher`, `params_ema`, `params` that is a dict with tensors; else the tensors of the dict itself; else those of its
 * only entry that is a dict with tensors. Other entries beside the tensors are left out. A checkpoint of Lightning whose
 * names all begin with `model.` loses that.
 * @throws GlobalPercError when there are none, or in several entries.
 */
export function tensorsIn(value: PickleValue, source: string): Map<string, PickledTensor> {
  if (!(value instanceof Map)) {
    throw new GlobalPercError(
      `${source} holds ${kindOf(value)}; expected a dict of tensors, as torch.save(model.state_dict(), path) writes it`,
      { code: 'invalid-file' },
    );
  }
  for (const name of WRAPPERS) {
    const wrapped = tensorsOf(value.get(name));
    const network = value.has(LIGHTNING) ? withoutPrefix(wrapped, LIGHTNING_PREFIX) : undefined;
    if (wrapped.size > 0) return network ?? wrapped;
  }
  const own = tensorsOf(value);
  return own.size > 0 ? own : onlyEntry(value, source);
}

function onlyEntry(value: ReadonlyMap<PickleValue, PickleValue>, source: string): Map<string, PickledTensor> {
  const names = Array.from(value.keys(), (key) => (typeof key === 'string' ? `'${key}'` : kindOf(key)));
  const dicts = Array.from(value, ([, entry], i) => [names[i] as string, tensorsOf(entry)] as const).filter(
    ([, tensors]) => tensors.size > 0,
  );
  const [only] = dicts;
  if (only && dicts.length === 1) return only[1];
  throw new GlobalPercError(
    dicts.length > 1
      ? `${source} has several dicts of tensors: ${listed(dicts.map(([name]) => name))}; save the one you want by itself`
      : `${source} has no dict of tensors, only ${names.length === 0 ? 'an empty dict' : `the entries ${listed(names)}`}; ` +
          'save the weights in Python: torch.save(model.state_dict(), path)',
    { code: 'invalid-file' },
  );
}

function tensorsOf(value: PickleValue | undefined): Map<string, PickledTensor> {
  const tensors = new Map<string, PickledTensor>();
  if (!(value instanceof Map)) return tensors;
  for (const [name, entry] of value) {
    if (typeof name === 'string' && entry instanceof PickledTensor) tensors.set(name, entry);
  }
  return tensors;
}
