/** What is looked at: a model with the modules that can be hooked. */
import { type GlobalPercConfig, type LoadProgress, LPIPS, loadModel, type Model, type ModuleCall } from 'globalperc';

/** A model that the page has. */
export interface Loaded {
  readonly name: string;
  readonly model: Model;
  /** Module calls without modules inside, in order of execution. */
  readonly leaves: readonly ModuleCall[];
  /** LPIPS's own configuration, where this is its network. */
  readonly lpips?: GlobalPercConfig;
}

const leavesOf = (model: Model): readonly ModuleCall[] => model.calls.filter(({ leaf }) => leaf);

/** LPIPS with the network that comes with the package. */
export async function openLpips(onProgress: (progress: LoadProgress) => void): Promise<Loaded> {
  const { model, config } = await new LPIPS().network({ onProgress });
  return { name: 'LPIPS (AlexNet)', model, leaves: leavesOf(model), lpips: config };
}

/** A model from a file. @throws GlobalPercError as `loadModel` does. */
export async function openFile(file: File, onProgress: (progress: LoadProgress) => void): Promise<Loaded> {
  const model = await loadModel(new Uint8Array(await file.arrayBuffer()), { onProgress });
  return { name: file.name, model, leaves: leavesOf(model) };
}

/** Names of the classes of some calls and their calls, in order of the first. */
export function byClass(leaves: readonly ModuleCall[]): ReadonlyMap<string, readonly ModuleCall[]> {
  const classes = new Map<string, ModuleCall[]>();
  for (const call of leaves) classes.set(call.class, [...(classes.get(call.class) ?? []), call]);
  return classes;
}

/** The hooks a model begins with: LPIPS's own; else those whose values an activation function has made, or convolutions and Linear. */
export function firstChoice({ leaves, lpips }: Loaded): ReadonlySet<ModuleCall> {
  const [own] = lpips?.modulesToHook ?? [];
  if (own instanceof RegExp) return new Set(leaves.filter(({ path }) => own.test(path)));
  for (const wanted of [/^(ReLU|GELU|SiLU|Hardswish|Mish)/, /^(Conv2d|Linear)$/]) {
    const found = leaves.filter(({ class: name }) => wanted.test(name));
    if (found.length > 0) return new Set(found);
  }
  return new Set(leaves);
}
