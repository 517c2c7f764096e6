/** The programs of a loss, compiled for each purpose and pair of input shapes, and kept in sessions. */
import { gradient } from '../autodiff/index.js';
import type { Graph, Shape, Tensor } from '../graph/index.js';
import { createGraph, requiredOpset } from '../ops/index.js';
import { fold, simplify } from '../passes/index.js';
import { type HostTensor, Session, type SessionOptions, type Steps } from '../runtime/index.js';
import { Draws } from '../transforms/index.js';
import { begin, type CallOptions, type Comparison, type Hook } from './objective.js';

/** What a compiled program computes. */
export type Purpose = 'evaluate' | 'gradient' | 'encode' | 'evaluate encoded' | 'gradient encoded';

export interface Program {
  readonly session: Session;
  readonly hooks: readonly Hook[];
}

/** Shapes of the two images; they differ only where a transform brings them to one size. */
export interface ImageShapes {
  readonly pred: Shape;
  readonly target: Shape;
}

interface Draft {
  readonly graph: Graph;
  readonly hooks: readonly Hook[];
}

/** What a loss computes, as pieces of a graph. */
export interface Pieces {
  /** What is compared. */
  features(image: Tensor, draws: Draws, options: CallOptions): Steps<Tensor[]>;
  /** The loss of the prediction's features against the target's. */
  compared(prediction: readonly Tensor[], target: readonly Tensor[], shapes: ImageShapes): Comparison;
}

export class Programs {
  private readonly session: SessionOptions;
  private readonly pieces: Pieces;
  private readonly known = new Map<string, Program>();

  constructor(session: SessionOptions, pieces: Pieces) {
    this.session = session;
    this.pieces = pieces;
  }

  /** The program, compiled where it is not yet. */
  *opened(
    purpose: Purpose,
    shapes: ImageShapes,
    further: Readonly<Record<string, HostTensor>>,
    options: CallOptions,
  ): Steps<Program> {
    const furtherShapes = Object.values(further).map(({ dims }) => dims);
    const key = [purpose, ...[shapes.pred, shapes.target, ...furtherShapes].map((shape) => shape.join('x'))].join(' ');
    const known = this.known.get(key);
    if (known) return known;
    const { graph, hooks } = yield* this.draft(purpose, shapes, options);
    begin('open', options);
    const program = { session: yield* Session.open(graph, requiredOpset(graph), this.session), hooks };
    this.known.set(key, program);
    return program;
  }

  /** The finished graph for one purpose and pair of shapes. */
  *draft(purpose: Purpose, shapes: ImageShapes, options: CallOptions): Steps<Draft> {
    const graph = createGraph();
    const draws = new Draws();
    if (purpose === 'encode') {
      const features = yield* this.pieces.features(graph.input('target', 'float32', shapes.target), draws, options);
      for (const [i, feature] of features.entries()) graph.output(`feature_${i}`, feature);
      return { graph: yield* this.finish(graph, options), hooks: [] };
    }
    const pred = graph.input('pred', 'float32', shapes.pred);
    const prediction = yield* this.pieces.features(pred, draws, options);
    const target = purpose.endsWith('encoded')
      ? prediction.map((feature, i) => graph.input(`feature_${i}`, feature.dtype, feature.shape))
      : yield* this.pieces.features(graph.input('target', 'float32', shapes.target), draws, options);
    const { loss, hookLosses, hooks } = this.pieces.compared(prediction, target, shapes);
    graph.output('loss', loss.reshape([]));
    if (purpose.startsWith('gradient')) {
      begin('differentiate', options);
      graph.output('grad', gradient(loss, [pred])[0] as Tensor);
    }
    if (hookLosses) graph.output('hook_losses', hookLosses);
    return { graph: yield* this.finish(graph, options), hooks };
  }

  private *finish(graph: Graph, options: CallOptions): Steps<Graph> {
    begin('fold', options);
    const simplified = simplify(graph);
    yield* fold(simplified, this.session);
    options.signal?.throwIfAborted();
    return simplified;
  }

  /** Closes every session. */
  *dispose(): Steps<void> {
    const programs = [...this.known.values()];
    this.known.clear();
    for (const { session } of programs) yield* session.dispose();
  }
}
