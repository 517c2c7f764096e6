/** Recurrent layers, on ONNX's operators of the same names. */
import { type Attributes, concat, GlobalPercError, int, string, type Tensor } from '../../graph/index.js';
import { boolean, type Checks, checkOptions, count, oneOf } from '../../options/index.js';
import { dropout } from '../functional/dropout.js';
import { uniform } from '../init.js';
import { Module } from '../module.js';
import { Parameter } from '../parameter.js';
import { probability, requireShape, reshapeBehind } from '../sizes.js';

/** Options of the recurrent layers. */
export interface RecurrentOptions {
  /** Layers one upon the other. Default 1. */
  readonly numLayers?: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Inputs and outputs are `[B, T, …]` instead of `[T, B, …]`; states are not. Default false. */
  readonly batchFirst?: boolean;
  /** Probability that an element between two layers is dropped in training. Default 0. */
  readonly dropout?: number;
  /** A second direction, from the last step to the first. Default false. */
  readonly bidirectional?: boolean;
}

const checks: Checks<RecurrentOptions> = {
  numLayers: count,
  bias: boolean,
  batchFirst: boolean,
  dropout: probability,
  bidirectional: boolean,
};

/** What an operator of ONNX calls a layer's parts. */
interface Cell {
  readonly op: 'LSTM' | 'GRU' | 'RNN';
  /** Place in PyTorch's weights of each gate, in ONNX's order. */
  readonly gates: readonly number[];
  /** Number of states: the hidden one, and the LSTM's cell. */
  readonly states: number;
  /** Besides sizes and directions. */
  readonly attributes?: Attributes;
}

/** What the recurrent layers share. */
abstract class Recurrent extends Module<Tensor[]> {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly bias: boolean;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;

  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}, known = checks) {
    super();
    const checked = checkOptions(options, known, this.className);
    this.inputSize = count(inputSize, `${this.className}: inputSize`);
    this.hiddenSize = count(hiddenSize, `${this.className}: hiddenSize`);
    this.numLayers = checked.numLayers ?? 1;
    this.bias = checked.bias ?? true;
    this.batchFirst = checked.batchFirst ?? false;
    this.dropout = checked.dropout ?? 0;
    this.bidirectional = checked.bidirectional ?? false;
    for (let layer = 0; layer < this.numLayers; layer += 1) {
      for (const direction of this.directions) this.makeWeights(layer, direction);
    }
  }

  protected abstract cell(): Cell;

  /** Ends of the weights' names. */
  private get directions(): readonly string[] {
    return this.bidirectional ? ['', '_reverse'] : [''];
  }

  /** The weights, whose names depend on the options. */
  private get weights(): Record<string, Parameter> {
    return this as unknown as Record<string, Parameter>;
  }

  private makeWeights(layer: number, direction: string): void {
    const { hiddenSize } = this;
    const rows = this.cell().gates.length * hiddenSize;
    const features = layer === 0 ? this.inputSize : hiddenSize * this.directions.length;
    const biases = this.bias ? { bias_ih: [rows], bias_hh: [rows] } : {};
    const shapes = { weight_ih: [rows, features], weight_hh: [rows, hiddenSize], ...biases };
    const bound = 1 / Math.sqrt(hiddenSize);
    for (const [part, shape] of Object.entries(shapes)) {
      this.weights[`${part}_l${layer}${direction}`] = uniform(new Parameter(shape), { a: -bound, b: bound });
    }
  }

  /**
   * @param states first ones, each `[numLayers·directions, B, hiddenSize]`: all of them or none. Default: zeros.
   * @returns the outputs of the last layer at each step, then the last states.
   * @throws GlobalPercError on other shapes.
   */
  override forward(x: Tensor, ...states: Tensor[]): Tensor[] {
    const first = states.filter((state) => state !== undefined);
    this.requireShapes(x, first);
    const last: Tensor[][] = [];
    let steps = this.batchFirst ? x.swapAxes(0, 1) : x;
    for (let layer = 0; layer < this.numLayers; layer += 1) {
      if (this.training && layer > 0) steps = dropout(steps, this.dropout);
      const [outputs, ...ends] = this.layer(steps, layer, first) as [Tensor, ...Tensor[]];
      steps = reshapeBehind(outputs.swapAxes(1, 2), 2, [this.directions.length * this.hiddenSize]);
      last.push(ends);
    }
    const ends = Array.from({ length: this.cell().states }, (_, i) => stacked(last.map((each) => each[i] as Tensor)));
    return [this.batchFirst ? steps.swapAxes(0, 1) : steps, ...ends];
  }

  private requireShapes(x: Tensor, states: readonly Tensor[]): void {
    const { className, directions, hiddenSize, numLayers } = this;
    const wanted = this.cell().states;
    requireShape(className, x, [...(this.batchFirst ? ['B', 'T'] : ['T', 'B']), this.inputSize]);
    if (states.length !== 0 && states.length !== wanted) {
      throw new GlobalPercError(`${className} takes ${wanted} first states or none, got ${states.length}`, {
        code: 'invalid-argument',
      });
    }
    const shape = [numLayers * directions.length, x.dim(this.batchFirst ? 0 : 1), hiddenSize];
    for (const state of states) requireShape(`${className}: a state`, state, shape);
  }

  /** One layer: its outputs `[T, directions, B, H]` and last states. */
  private layer(x: Tensor, layer: number, first: readonly Tensor[]): Tensor[] {
    const count = this.directions.length;
    const each = (part: string): Tensor =>
      stacked(this.directions.map((direction) => this.reordered(`${part}_l${layer}${direction}`, x).unsqueeze([0])));
    const bias = this.bias ? concat([each('bias_ih'), each('bias_hh')], 1) : undefined;
    const states = first.map((state) => state.slice([0], [layer * count], [(layer + 1) * count]));
    const cell = this.cell();
    const attributes = {
      hidden_size: int(this.hiddenSize),
      direction: string(count === 2 ? 'bidirectional' : 'forward'),
      ...cell.attributes,
    };
    const inputs = [x, each('weight_ih'), each('weight_hh'), bias, undefined, ...states];
    return x.graph.emit(cell.op, inputs, attributes, { outputs: 1 + cell.states });
  }

  /** A weight with its gates in ONNX's order. */
  private reordered(name: string, x: Tensor): Tensor {
    const weight = this.read(this.weights[name] as Parameter, x);
    const { hiddenSize } = this;
    const { gates } = this.cell();
    if (gates.length === 1) return weight;
    return stacked(gates.map((gate) => weight.slice([0], [gate * hiddenSize], [(gate + 1) * hiddenSize])));
  }
}

const stacked = (parts: readonly Tensor[]): Tensor => concat(parts, 0);

/**
 * Long short-term memory: `[T, B, inputSize]`, optionally h₀ and c₀ `[numLayers·directions, B, hiddenSize]` → outputs
 * `[T, B, directions·hiddenSize]`, hₙ and cₙ. Weights and biases start uniform in ±1/√hiddenSize
 * (https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html).
 */
export class LSTM extends Recurrent {
  static readonly className = 'LSTM';
  protected override cell(): Cell {
    return { op: 'LSTM', gates: [0, 3, 1, 2], states: 2 };
  }
}

/**
 * Gated recurrent units: `[T, B, inputSize]`, optionally h₀ `[numLayers·directions, B, hiddenSize]` → outputs
 * `[T, B, directions·hiddenSize]` and hₙ; starts as LSTM (https://pytorch.org/docs/stable/generated/torch.nn.GRU.html).
 */
export class GRU extends Recurrent {
  static readonly className = 'GRU';
  protected override cell(): Cell {
    return { op: 'GRU', gates: [1, 0, 2], states: 1, attributes: { linear_before_reset: int(1) } };
  }
}

/** Options of RNN. */
export interface RNNOptions extends RecurrentOptions {
  /** Default `tanh`. */
  readonly nonlinearity?: 'tanh' | 'relu';
}

/**
 * h ← tanh(W·x + R·h + b): `[T, B, inputSize]`, optionally h₀ `[numLayers·directions, B, hiddenSize]` → outputs
 * `[T, B, directions·hiddenSize]` and hₙ; starts as LSTM (https://pytorch.org/docs/stable/generated/torch.nn.RNN.html).
 */
export class RNN extends Recurrent {
  static readonly className = 'RNN';
  readonly nonlinearity: 'tanh' | 'relu';

  constructor(inputSize: number, hiddenSize: number, options: RNNOptions = {}) {
    const nonlinearity = oneOf('tanh', 'relu');
    super(inputSize, hiddenSize, options, { ...checks, nonlinearity } as typeof checks);
    this.nonlinearity = options.nonlinearity ?? 'tanh';
  }
  protected override cell(): Cell {
    const activation = this.nonlinearity === 'relu' ? 'Relu' : 'Tanh';
    const activations = {
      kind: 'strings',
      value: this.bidirectional ? [activation, activation] : [activation],
    } as const;
    return { op: 'RNN', gates: [0], states: 1, attributes: { activations } };
  }
}
