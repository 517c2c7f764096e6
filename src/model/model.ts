/** A pretrained model as it was read: its graph, its modules, and the input an image goes into. */
import {
  attributesOf,
  GlobalPercError,
  type Graph,
  type Node,
  neededNodes,
  type Shape,
  type Value,
} from '../graph/index.js';
import { type ModuleCall, metadataProblem, recoverModules } from '../modules/index.js';
import type { Module } from '../nn/index.js';
import type { HostTensor } from '../runtime/index.js';
import { fromJSON, type Transform, type TransformJSON } from '../transforms/index.js';
import { transformsOfPreprocessor } from '../transforms/preprocessor.js';
import { bindInputs, fitsDeclared, type InputValue, imageInput, inputTensor, namedInput } from './inputs.js';
import { layoutRemedy } from './layout.js';
import { replaceCalls } from './replace.js';

/** Options of `Model`: see `LoadOptions`. */
interface ModelOptions {
  readonly input?: string;
  readonly inputs?: Readonly<Record<string, InputValue>>;
  /** The parsed `preprocessor_config.json` that came with the file. */
  readonly preprocessor?: Readonly<Record<string, unknown>>;
  readonly files?: readonly string[];
}

/** A frozen pretrained model, made by `loadModel`: its graph, its module calls, and the input that an image goes into. */
export class Model {
  /** Path, URL or given name it was read from. */
  readonly source: string;
  /** Files it was read from: the ONNX file, or its URL, and those with its weights; none for a model from memory. */
  readonly files: readonly string[];
  /** As imported: dimensions may still be unknown. */
  readonly graph: Graph;
  /** Every module call that can be hooked, in execution order. */
  readonly calls: readonly ModuleCall[];
  /** The input that receives the image. */
  readonly input: Value;
  /** What of the file could not be understood and was passed over, one sentence each: `inspect` and losses print them. */
  readonly warnings: readonly string[];
  private readonly preprocessor: Readonly<Record<string, unknown>>;

  /** Made by `loadModel`. @throws GlobalPercError when no input can receive the image, or `inputs` do not fit. */
  constructor(source: string, graph: Graph, { input, inputs = {}, preprocessor = {}, files = [] }: ModelOptions = {}) {
    this.source = source;
    this.files = files;
    this.graph = graph;
    this.preprocessor = preprocessor;
    this.input = imageInput(source, graph, input);
    const problem = metadataProblem(graph);
    this.warnings = problem === undefined ? [] : [`${source}: ${problem}`];
    // Before other inputs become constants: a module that sees them alone was still called.
    this.calls = recoverModules(graph);
    bindInputs(source, graph, this.input, inputs);
  }

  /**
   * This model with a module of `nn`, frozen, in the place of every call of a path: a head that reads latents for `patch_embed.proj`,
   * say. What the module is given and gives is compared with the former call where shapes are known, when a loss is first computed.
   * @throws GlobalPercError when nothing is called at this path, naming the nearest, or what is called cannot be told from what is around it.
   */
  replace(path: string, module: Module): Model {
    const { graph, calls, copyOf } = replaceCalls(this, path, module);
    return Object.assign(Object.create(Model.prototype) as Model, this, {
      graph,
      calls,
      input: copyOf(this.input),
    });
  }

  /**
   * What brings images in [0, 1] to what the model expects, as `transforms.fromJSON` takes it, where the file comes with
   * a description of it. @throws GlobalPercError when that is not understood; the model is of use all the same.
   */
  get preprocessing(): readonly TransformJSON[] {
    return transformsOfPreprocessor(this.preprocessor);
  }

  /** The transform of `preprocessing`, if there is any. Throws as that does. */
  get transform(): Transform | undefined {
    const { preprocessing } = this;
    return preprocessing.length > 0 ? fromJSON(preprocessing) : undefined;
  }

  /** The inputs besides the image that have no value yet. */
  get openInputs(): readonly Value[] {
    return this.graph.inputs.filter((input) => input !== this.input);
  }

  /** The open inputs that some values depend on. */
  openInputsOf(values: readonly Value[]): readonly Value[] {
    const read = new Set(neededNodes(this.graph.nodes, values).flatMap((node) => node.inputs));
    return this.openInputs.filter((input) => read.has(input));
  }

  /** One of the open inputs. @throws GlobalPercError when there is none of this name. */
  openInput(name: string): Value {
    return namedInput(this.source, this.graph, this.input, name);
  }

  /** A value given for one of the open inputs. @throws GlobalPercError when there is no such input, or it does not fit. */
  inputTensor(name: string, given: InputValue): HostTensor {
    return inputTensor(this.source, this.openInput(name), given);
  }

  /** How messages state the accepted input, e.g. `[batch, 3, 224, 224]`. */
  get accepts(): string {
    const declared = this.input.declaredShape;
    return declared === undefined ? 'any shape' : `[${declared.join(', ')}]`;
  }

  /**
   * Checks a static shape against the one declared in the file, against the channels its first convolution takes, and
   * against the patches the model cuts its input into: PyTorch's vision transformers refuse sides that are no multiple of
   * the patch, where ONNX would crop silently.
   * @param image shape of the image before transformNormalization.
   * @throws GlobalPercError naming what the model accepts, and what to do where the image has another layout.
   */
  checkInputShape(shape: Shape, image: Shape = shape): void {
    if (!fitsDeclared(this.input, shape) || !this.fitsConvolution(shape)) {
      const remedy =
        this.layoutRemedy(image) ??
        this.layoutRemedy(shape) ??
        'crop or resize in transformNormalization, or export the model with dynamic_axes / dynamic_shapes';
      throw new GlobalPercError(
        `${this.source}: the model accepts input ${this.accepts}, got [${shape.join(', ')}] (after transformNormalization); ${remedy}`,
        { code: 'invalid-argument' },
      );
    }
    const patch = this.patchSize();
    const sides = shape.slice(2);
    if (patch === undefined || sides.every((side) => side % patch === 0)) return;
    const nearest = sides.map((side) => nearestMultiples(side, patch).join(' or '));
    throw new GlobalPercError(
      `${this.source}: the model cuts its input into patches of ${patch} and accepts multiples of ${patch}, got ` +
        `[${shape.join(', ')}] (after transformNormalization); the nearest sizes are ${nearest.join(' × ')}`,
      { code: 'invalid-argument' },
    );
  }

  /** What to do about the shape of an image that looks like another layout than the model's [B, C, H, W], if it does. */
  layoutRemedy(image: Shape): string | undefined {
    const { declaredShape } = this.input;
    const kernel = this.firstKernel();
    if ((declaredShape?.length ?? kernel?.length) !== 4) return undefined;
    const declared = declaredShape?.[1];
    return layoutRemedy(image, typeof declared === 'number' ? declared : this.channels());
  }

  private fitsConvolution(shape: Shape): boolean {
    const kernel = this.firstKernel();
    return kernel === undefined || (shape.length === kernel.length && shape[1] === this.channels());
  }

  /** The convolution that reads the input. */
  private firstConvolution(): Node | undefined {
    return this.graph.nodes.find((node) => node.op === 'Conv' && node.inputs[0] === this.input);
  }

  /** Shape of its weight, `[outputs, inputs per group, …]`. */
  private firstKernel(): Shape | undefined {
    return this.firstConvolution()?.inputs[1]?.constant?.shape;
  }

  /** Channels that it takes. */
  private channels(): number | undefined {
    const conv = this.firstConvolution();
    const perGroup = this.firstKernel()?.[1];
    return conv && perGroup && perGroup * attributesOf(conv).int('group', 1);
  }

  /** Kernel size of a convolution that reads the input in non-overlapping patches. */
  private patchSize(): number | undefined {
    const conv = this.firstConvolution();
    if (conv === undefined) return undefined;
    const attributes = attributesOf(conv);
    const kernel = attributes.ints('kernel_shape')?.[0] ?? this.firstKernel()?.[2];
    const stride = attributes.ints('strides')?.[0] ?? 1;
    return kernel !== undefined && kernel === stride && kernel >= 8 ? kernel : undefined;
  }
}

const nearestMultiples = (side: number, patch: number): number[] => {
  const [below, above] = [Math.floor(side / patch) * patch, Math.ceil(side / patch) * patch];
  return below === above ? [below] : [below, above].filter((size) => size > 0);
};
