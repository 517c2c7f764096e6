/**
 * Seeded random numbers. A generator is named by integers – seed, epoch, position … – so that any draw of a run can be
 * repeated without replaying those before it.
 */

import { GlobalPercError } from '../graph/errors.js';

/** Multiplier of the MurmurHash3 finaliser's first round. */
const MIX = 0x85ebca6b;

/** Uniform and normal numbers from a 128-bit state (the sfc32 generator of PractRand, https://pracrand.sourceforge.net). */
export class Generator {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  /** The same names give the same numbers; different names give independent ones. @throws GlobalPercError on other than integers. */
  constructor(...names: readonly number[]) {
    if (!names.every(Number.isSafeInteger)) {
      throw new GlobalPercError(`Generator: names should be integers, got ${names.map(String).join(', ')}`, {
        code: 'invalid-option',
      });
    }
    [this.a, this.b, this.c] = [0x9e3779b9, 0x243f6a88, 0xb7e15162];
    for (const name of [names.length, ...names]) {
      this.a = Math.imul(this.a ^ (name | 0), MIX);
      this.b = (this.b + Math.floor(name / 2 ** 32)) | 0;
      this.next();
    }
    // The state needs some rounds until close names have nothing in common.
    for (let round = 0; round < 12; round += 1) this.next();
  }

  /** 32 random bits. */
  private next(): number {
    const sum = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A number in [0, 1), a multiple of 2⁻²⁴, so that float32 holds it exactly. */
  uniform(): number {
    return (this.next() >>> 8) / 2 ** 24;
  }

  /** A standard-normal number: √(−2 ln u)·cos 2πv for uniform u, v (Box and Muller 1958). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** An integer in [0, end). */
  integer(end: number): number {
    return Math.floor((this.next() / 2 ** 32) * end);
  }

  /** 0 … count − 1 in random order (Fisher and Yates). */
  permutation(count: number): Uint32Array {
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let last = count - 1; last > 0; last -= 1) {
      const other = this.integer(last + 1);
      [order[last], order[other]] = [order[other] as number, order[last] as number];
    }
    return order;
  }
}
