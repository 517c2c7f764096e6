/** What a trainer carries from step to step, where it lies between them: beside the session. */
import { download, type HostTensor, release, runSteps, type SessionOptions, upload } from '../runtime/index.js';
import { averageName, weightName } from './state.js';

/** Carried tensors by name. */
export class Kept {
  private readonly session: SessionOptions;
  private tensors: ReadonlyMap<string, HostTensor>;

  private constructor(tensors: ReadonlyMap<string, HostTensor>, session: SessionOptions) {
    this.tensors = tensors;
    this.session = session;
  }

  /** Brings tensors beside the session. */
  static async of(tensors: ReadonlyMap<string, HostTensor>, session: SessionOptions): Promise<Kept> {
    return new Kept(await uploaded(tensors, session), session);
  }

  /** What is there, by name: types and shapes, not the elements. */
  get types(): ReadonlyMap<string, HostTensor> {
    return this.tensors;
  }

  /** Those that a graph reads; averages in place of weights with `ema`, where there are any. */
  feeds(names: readonly string[], ema = false): Record<string, HostTensor> {
    const averageOf = (name: string): string => (ema ? averageName(name.slice(weightName('').length)) : name);
    return Object.fromEntries(names.map((name) => [name, this.tensors.get(averageOf(name)) ?? this.at(name)]));
  }

  /** What outputs of a step are written over, by the name of the output. */
  replaced(outputs: ReadonlyMap<string, string>): Record<string, HostTensor> {
    return Object.fromEntries(Array.from(outputs, ([name, output]) => [output, this.at(name)]));
  }

  /** Their elements, of some or of all. */
  async fetched(names: readonly string[] = [...this.tensors.keys()]): Promise<Map<string, HostTensor>> {
    const found = await runSteps(
      download(
        names.map((name) => this.at(name)),
        this.session,
      ),
    );
    return new Map(names.map((name, i) => [name, found[i] as HostTensor]));
  }

  /** Puts others in their place. */
  async replace(tensors: ReadonlyMap<string, HostTensor>): Promise<void> {
    const former = this.tensors;
    this.tensors = await uploaded(tensors, this.session);
    await runSteps(release([...former.values()], this.session));
  }

  /** Frees them. */
  async release(): Promise<void> {
    await runSteps(release([...this.tensors.values()], this.session));
  }

  private at(name: string): HostTensor {
    return this.tensors.get(name) as HostTensor;
  }
}

async function uploaded(
  tensors: ReadonlyMap<string, HostTensor>,
  session: SessionOptions,
): Promise<ReadonlyMap<string, HostTensor>> {
  const kept = await runSteps(upload([...tensors.values()], session));
  return new Map(Array.from(tensors.keys(), (name, i) => [name, kept[i] as HostTensor]));
}
