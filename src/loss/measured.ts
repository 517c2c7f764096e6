/** A distance between two activations, in every form that may be asked of it. */
import { GlobalPercError, kindOf, Tensor } from '../graph/index.js';
import type { Part } from './description.js';
import { type Distance, type Reduction, reduce } from './distances.js';
import { type Grid, keepsPlaces, type Places, planeOf } from './places.js';
import type { View } from './view.js';

/** Nothing but the loss itself is added to the graph before it is asked for. */
export class Measured implements Part {
  /** The distance over the whole batch; one number, unless the reduction is 'none'. */
  readonly loss: Tensor;
  private readonly activation: Tensor;
  private readonly view: View;
  private readonly reduction: Reduction;
  /** What `loss` reduces; undefined for a distance that does not tell. */
  private readonly elements: Tensor | undefined;
  private readonly weights: Tensor | undefined;

  /** @throws GlobalPercError of the distance, and where a mask cannot weigh what it compares. */
  constructor(distance: Distance, input: Tensor, target: Tensor, view: View) {
    const { reduction = 'mean' } = distance;
    this.activation = input;
    this.view = view;
    this.reduction = reduction;
    this.elements = reduction === 'none' ? undefined : elementsOf(distance, input, target);
    this.weights = this.maskWeights(distance);
    this.loss = this.weights
      ? this.weighted(this.weights)
      : this.elements
        ? reduce(this.elements, reduction)
        : distance.forward(input, target);
  }

  /** Weights of the elements under the scene's mask; what has no place in the image is compared as a whole. */
  private maskWeights(distance: Distance): Tensor | undefined {
    const places = this.view.masked ? this.view.placesOf(this.activation) : undefined;
    if (places === undefined) return undefined;
    if (this.elements && keepsPlaces(places, this.elements, this.activation)) return this.view.weightsAt(places);
    throw new GlobalPercError(
      `${distance.constructor.name} compares no single places of an activation [${this.activation.shape}], so a mask cannot ` +
        "weigh them: take a distance that does, such as new NormalizedTensorLoss('l1', 'mean', 'none')",
      { code: 'invalid-option' },
    );
  }

  /** Σ w·d/Σ w over all elements d, or Σ w·d for the reduction 'sum'. */
  private weighted(weights: Tensor): Tensor {
    const elements = this.elements as Tensor;
    const sum = elements.mul(weights).sum();
    return this.reduction === 'sum' ? sum : sum.div(weights.sum().mul(elements.size / weights.size));
  }

  samples(): Tensor | undefined {
    const { batch } = this.view;
    if (batch === 1) return this.loss.size === 1 ? this.loss.reshape([1]) : undefined;
    const elements = this.elements && bySample(this.elements, this.activation, batch);
    if (elements === undefined) return undefined;
    if (this.weights) return this.weightedSamples(elements, this.weights);
    return this.reduction === 'sum' ? elements.sum([1]) : elements.mean([1]);
  }

  /** As `weighted`, for each sample by itself; one without any weight has the distance 0. */
  private weightedSamples(elements: Tensor, weights: Tensor): Tensor {
    const all = weights.expand((this.elements as Tensor).shape).reshape(elements.shape);
    const sums = elements.mul(all).sum([1]);
    if (this.reduction === 'sum') return sums;
    const total = all.sum([1]);
    const counts = total.greater(0);
    return counts.where(sums.div(counts.where(total, 1)), 0);
  }

  get grid(): Grid | undefined {
    return this.places?.grid;
  }

  get withoutPlace(): number {
    return this.places?.withoutPlace ?? 0;
  }

  map(): Tensor | undefined {
    const { places } = this;
    return places && this.view.onImage(planeOf(places, this.elements as Tensor, this.reduction));
  }

  /** The places of the elements. */
  private get places(): Places | undefined {
    const places = this.elements && this.view.placesOf(this.activation);
    return places && keepsPlaces(places, this.elements as Tensor, this.activation) ? places : undefined;
  }
}

/** Elements `[B, …]` of each sample; undefined where dim 0 of an activation holds something else than samples. */
function bySample(elements: Tensor, activation: Tensor, batch: number): Tensor | undefined {
  const rows = activation.dim(0);
  // Parts of a sample, such as windows, follow each other; tokens in front of samples do not.
  const isMixed = rows % batch !== 0 || (rows !== batch && activation.rank > 1 && activation.dim(1) === batch);
  return isMixed || elements.dim(0) !== rows ? undefined : elements.reshape([batch, -1]);
}

/** What `forward` reduces, where the distance tells. @throws GlobalPercError when it gives something else than a tensor. */
function elementsOf(distance: Distance, input: Tensor, target: Tensor): Tensor | undefined {
  if (!tellsElements(distance)) return undefined;
  const elements: unknown = distance.elements?.(input, target);
  if (elements === undefined || elements instanceof Tensor) return elements;
  throw new GlobalPercError(`elements of ${distance.constructor.name} gives no tensor, got ${kindOf(elements)}`, {
    code: 'invalid-option',
  });
}

/** Whether `elements` are what `forward` reduces: a `forward` that a subclass puts over it reduces something else. */
function tellsElements(distance: Distance): boolean {
  for (let held: object | null = distance; held !== null; held = Object.getPrototypeOf(held)) {
    if (Object.hasOwn(held, 'elements')) return true;
    if (Object.hasOwn(held, 'forward')) return false;
  }
  return false;
}
