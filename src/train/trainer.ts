/** The training loop's one object: a student, a loss and an optimiser compiled into one step. */
import { type Draft, type Estimate, type Program, Runner, type StepOptions } from '../compile/index.js';
import { GlobalPercError, type TensorType } from '../graph/index.js';
import {
  type CallOptions,
  computed,
  descriptionOf,
  type Objective,
  openFeeds,
  snapshotOptions,
} from '../loss/index.js';
import { snapshot, type TensorLike } from '../model/index.js';
import type { AnyModule, StateDict } from '../nn/index.js';
import type { lrScheduler, Optimizer } from '../optim/index.js';
import { NO_METRIC } from '../optim/schedule.js';
import { checkOptions, number, string } from '../options/index.js';
import { type HostTensor, platform, runSteps, type Steps } from '../runtime/index.js';
import { type Checkpoint, formatCheckpoint, parseCheckpoint, type Run, stepsOf } from './checkpoint.js';
import { stepFeeds } from './feeds.js';
import { type Fingerprints, fingerprintsOf } from './fingerprint.js';
import { type StepInput, snapshotInput } from './inputs.js';
import { Kept } from './kept.js';
import { PREDICT, type PredictOptions, recipeOf, type TrainerOptions } from './options.js';
import { drawAll } from './random.js';
import { type Evaluation, type Prediction, requireFinite, type StepResult, scalar } from './result.js';
import { averageName, REDUCTIONS, weightName } from './state.js';
import { draftEvaluation, draftPrediction, draftStep, type Recipe, type StepDetails, type StepDraft } from './step.js';
import { LOGGED } from './update.js';

type StepProgram = Program<StepDetails>;

const countOf = (count: number): HostTensor => ({
  dtype: 'int64',
  dims: [],
  data: BigInt64Array.of(BigInt(count)),
});

/**
 * Trains a student: each step is one run of one graph that holds the student, the loss, the gradient and the optimiser.
 * The weights stay beside the session; `synchronize`, `save` and `exportOnnx` bring them back.
 *
 * @example
 * const trainer = await Trainer.create(student, new GlobalPercLoss(teacher, config), new optim.AdamW(), { batch: [8, 3, 128, 128] });
 * for await (const { input, target } of loader) console.log((await trainer.step(input, target)).loss);
 * await trainer.save('run/');
 */
export class Trainer implements AsyncDisposable {
  readonly student: AnyModule;
  private readonly recipe: Recipe;
  private readonly seed: number;
  private readonly run: Run;
  private readonly runner: Runner<StepDetails>;
  private readonly program: StepProgram;
  private readonly carried: Kept;
  private taken = 0;
  /** What the schedule knows of metrics, where they move it. */
  private metric: lrScheduler.MetricState | undefined;
  private frozen: Fingerprints | undefined;
  /** Steps at which the student's own weights were last the trainer's. */
  private synchronized = 0;

  private constructor(recipe: Recipe, seed: number, runner: Runner<StepDetails>, program: StepProgram, carried: Kept) {
    this.student = recipe.student;
    this.recipe = recipe;
    this.seed = seed;
    const optimizers = [recipe.optimizer, ...(recipe.adversary ? [recipe.adversary.optimizer] : [])];
    this.run = {
      seed,
      optimizer: optimizers.map(({ className }) => className).join(', '),
      accumulate: recipe.accumulate,
    };
    this.metric = recipe.optimizer.schedule.next && NO_METRIC;
    this.runner = runner;
    this.program = program;
    this.carried = carried;
    const within = { synchronize: () => this.synchronize() };
    for (const root of [recipe.student, recipe.weights.owned])
      for (const [, module] of root?.namedModules() ?? []) module.keepBy(within);
    this.student.keepBy(this);
  }

  /**
   * Compiles the training step.
   * @throws GlobalPercError when student, loss and batch shape do not fit together, or an option is out of range.
   */
  static async create(
    student: AnyModule,
    loss: Objective,
    optimizer: Optimizer,
    options: TrainerOptions,
  ): Promise<Trainer> {
    return Trainer.of(recipeOf(student, loss, optimizer, options), options);
  }

  /** @internal As `create`, of what it was told. */
  static async of(recipe: Recipe, options: TrainerOptions): Promise<Trainer> {
    const runner = new Runner<StepDetails>('trainer', recipe.session, recipe.memory);
    const { inputs: _, ...rest } = options;
    const { initial, ...draft } = await draftOf(recipe, options);
    const program = await runSteps(runner.program('step', () => draft, rest));
    return new Trainer(recipe, options.seed ?? 0, runner, program, await Kept.of(initial, recipe.session));
  }

  /**
   * What a step of such a trainer will take, before anything is opened. Throws as `create` does.
   * @param options those of `create`.
   */
  static async estimate(
    student: AnyModule,
    loss: Objective,
    optimizer: Optimizer,
    options: TrainerOptions,
  ): Promise<Estimate> {
    const recipe = recipeOf(student, loss, optimizer, options);
    const draft = await draftOf(recipe, options);
    return runSteps(new Runner<StepDetails>('trainer', recipe.session, recipe.memory).estimated(draft.graph, {}));
  }

  /** Types of the inputs of every step by name: `input`, or those of the option `inputs`. */
  get inputs(): ReadonlyMap<string, TensorType> {
    return this.recipe.inputs.types;
  }

  /** Steps taken, those of the run it was resumed from included. */
  get steps(): number {
    return this.taken;
  }

  /**
   * One step on one batch.
   * @param input a tensor, or one for each of `inputs`: `step({ latents, text })`.
   * @param target may be left out, `step(input, undefined, options)`, where the loss reads none.
   * @param options values of the inputs that a teacher leaves open, a mask where the trainer is made for masks; a signal stops a step that has not begun.
   * @throws GlobalPercError when a shape is not that of `batch`, on NaN or infinite input, and when loss or gradient is
   * NaN or infinite: then it names the step and the first hook, and weights and optimiser are as before the step.
   */
  async step(input: StepInput, target?: TensorLike, options: CallOptions = {}): Promise<StepResult> {
    const given = [snapshotInput(input), snapshot(target), snapshotOptions(options)] as const;
    return this.next(async () => {
      const { session, details } = this.program;
      const feeds = {
        ...stepFeeds(this.recipe, details, ...given),
        ...this.carried.feeds(details.reads),
        ...drawAll(details.draws, this.seed, this.taken),
        ...(this.metric && { [REDUCTIONS]: countOf(this.metric.reductions) }),
      };
      const decisive = ['loss', 'grad_norm', ...details.logged.map((name) => LOGGED + name)];
      const outputs = await runSteps(session.runInPlace(feeds, this.carried.replaced(details.replaces), decisive));
      const { value: loss, hooks } = computed(details, outputs);
      const [gradNorm, lr] = [scalar(outputs.grad_norm), scalar(outputs.lr)];
      const logged = Object.fromEntries(details.logged.map((name) => [name, scalar(outputs[LOGGED + name])]));
      const result = { step: this.taken + 1, loss, hooks, gradNorm, lr, logged };
      requireFinite(result);
      this.taken += 1;
      return result;
    }, options);
  }

  /** Loss of one batch, with the student in evaluation mode; nothing changes. Throws as `step` does. */
  async evaluate(input: StepInput, target?: TensorLike, options: CallOptions = {}): Promise<Evaluation> {
    const given = [snapshotInput(input), snapshot(target), snapshotOptions(options)] as const;
    return this.next(async () => {
      const open = openFeeds(descriptionOf(this.recipe.loss).openInputs, given[2]);
      const key = `evaluate ${JSON.stringify(Object.values(open).map(({ dims }) => dims))}`;
      const { session, details } = await this.opened(key, () => draftEvaluation(this.recipe, given[2]), options);
      const draws = drawAll(details.draws, this.seed, 0);
      const feeds = { ...stepFeeds(this.recipe, details, ...given), ...this.carried.feeds(details.reads), ...draws };
      const { value: loss, hooks, samples } = computed(details, await runSteps(session.run(feeds)));
      return { loss, hooks, ...(samples && { samples }) };
    }, options);
  }

  /** What the student, in evaluation mode, makes of an input of any batch size; its first output, if it has several. */
  async predict(input: StepInput, options: PredictOptions = {}): Promise<Prediction> {
    const { ema = false } = checkOptions(options, PREDICT, 'Trainer.predict');
    const given = snapshotInput(input);
    return this.next(async () => {
      const inputs = this.recipe.inputs.like(given);
      await this.student.prepare(...inputs.shapes);
      const key = `predict ${inputs.shapes.map((shape) => shape.join('x'))}`;
      const { session, details } = await this.opened(key, () => draftPrediction({ ...this.recipe, inputs }), {});
      if (ema) this.requireAverage();
      const feeds = {
        ...inputs.feeds(given),
        ...this.carried.feeds(details.reads, ema),
        ...drawAll(details.draws, this.seed, 0),
      };
      const { output } = await runSteps(session.run(feeds));
      return { dims: output?.dims ?? [], data: output?.data as Float32Array };
    });
  }

  /**
   * Tells a schedule that a metric moves, ReduceLROnPlateau, the next one: `scheduler.step(metric)` in PyTorch. The steps after it have the rate that follows,
   * and checkpoints hold what it knows.
   * @throws GlobalPercError for another schedule, and a metric that is no finite number.
   */
  async stepScheduler(metric: number): Promise<void> {
    const value = number()(metric, 'Trainer.stepScheduler: metric');
    const { schedule, className } = this.recipe.optimizer;
    await this.next(async () => {
      if (this.metric === undefined) {
        throw new GlobalPercError(
          `Trainer.stepScheduler: no metric moves the schedule of this ${className}: new optim.lrScheduler.ReduceLROnPlateau() is one that it does`,
          { code: 'invalid-option' },
        );
      }
      this.metric = schedule.next?.(value, this.metric);
    });
  }

  /** Brings the present weights and buffers into the student; `dispose` has done so for the last time. */
  async synchronize(): Promise<void> {
    if (!this.runner.disposed) await this.next(() => this.fetchWeights());
  }

  private async fetchWeights(): Promise<void> {
    if (this.synchronized === this.taken) return;
    for (const { held, data } of await this.fetched(weightName)) held.data = data;
    this.synchronized = this.taken;
  }

  /** What is carried for weights and buffers, under the names that are given for their paths. */
  private async fetched(nameOf: (path: string) => string) {
    const named = [...this.recipe.weights.named(this.student)].map(([path, held]) => ({
      path,
      held,
      name: nameOf(path),
    }));
    const found = named.filter(({ name }) => this.carried.types.has(name));
    const tensors = await this.carried.fetched(found.map(({ name }) => name));
    return found.map(({ path, held, name }) => ({ path, held, data: tensors.get(name)?.data as Float32Array }));
  }

  /** The averaged weights, with the present buffers, by the student's keys. @throws GlobalPercError when there is no `ema`. */
  async emaStateDict(): Promise<StateDict> {
    this.requireAverage();
    await this.synchronize();
    const state = { ...this.student.stateDict() };
    const averages = await this.next(() => this.fetched(averageName));
    for (const { path, held, data } of averages) state[path] = { dtype: 'float32', dims: held.shape, data };
    return state;
  }

  /** Everything needed to go on exactly from here, as files by name. */
  async checkpoint(): Promise<Checkpoint> {
    await this.synchronize();
    return this.next(async () => {
      const carried = await this.carried.fetched();
      const { weights, student } = this.recipe;
      const [own, owned] = [student, weights.owned].map((module) => module && weights.trained(module));
      this.frozen ??= fingerprintsOf(student, weights);
      const { taken: steps, metric, run, frozen } = this;
      return formatCheckpoint({ weights: own ?? {}, owned, carried, steps, metric, run, frozen });
    });
  }

  /**
   * Goes on from a checkpoint, which holds what trains and the buffers: frozen weights are those the student has. The learning rate, its schedule, limits and decays are this trainer's own and may be others
   * than before.
   * @throws GlobalPercError when it is damaged, of another model, or was made with another class of optimiser, another
   * seed or `accumulate`; the difference is named and nothing is changed.
   */
  async restore(checkpoint: Checkpoint, source = 'the checkpoint'): Promise<void> {
    await this.next(async () => {
      const { weights, owned, carried, steps, metric } = parseCheckpoint(
        checkpoint,
        this.carried.types,
        this.run,
        this.recipe,
        source,
      );
      this.student.loadStateDict(weights, { strict: false });
      if (owned) this.recipe.weights.owned?.loadStateDict(owned, { strict: false });
      await this.carried.replace(carried);
      this.taken = steps;
      this.synchronized = steps;
      if (this.metric) this.metric = metric ?? NO_METRIC;
    });
  }

  /** Writes a checkpoint into a folder, whole or not at all; the one before it is removed afterwards. Node only. */
  async save(folder: string): Promise<void> {
    string(folder, 'Trainer.save: folder');
    const checkpoint = await this.checkpoint();
    await platform.writeSnapshot(folder, stepsOf(checkpoint), checkpoint);
  }

  /** Goes on from the last checkpoint of a folder. @throws GlobalPercError as `restore`, and when there is none. */
  async load(folder: string): Promise<void> {
    string(folder, 'Trainer.load: folder');
    await this.restore(await platform.readSnapshot(folder), folder);
  }

  /** Frees sessions and state; the student keeps the last weights. */
  dispose(): Promise<void> {
    return this.runner.dispose(async () => {
      await this.fetchWeights();
      await this.carried.release();
    });
  }

  /** `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  private next<T>(task: () => Promise<T>, options: CallOptions = {}): Promise<T> {
    return this.runner.take(task, options);
  }

  private opened(
    key: string,
    draft: () => Draft<StepDetails> | Steps<Draft<StepDetails>>,
    options: StepOptions,
  ): Promise<StepProgram> {
    return runSteps(this.runner.program(key, draft, options));
  }

  private requireAverage(): void {
    if (this.recipe.ema === undefined)
      throw new GlobalPercError('there are no averaged weights: create the Trainer with ema', {
        code: 'invalid-option',
      });
  }
}

/** Drafts the step of what a trainer was told. */
async function draftOf(recipe: Recipe, options: TrainerOptions): Promise<StepDraft> {
  await descriptionOf(recipe.loss).load?.();
  await recipe.student.prepare(...recipe.inputs.shapes);
  // Its `inputs` are others than those of a call.
  const { inputs: _, ...rest } = options;
  return runSteps(draftStep(recipe, rest));
}
