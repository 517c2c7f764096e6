/** Damaged ONNX files, through the whole library; many more of them in `tests/slow/fuzz.test.ts`. */
import { it } from 'vitest';
import { fuzz, loadOf, lossOf } from '../support/fuzz.js';

it('loads damaged files or says what is wrong, without taking memory that the file does not have', () =>
  fuzz(300, 11, loadOf));

it('differentiates damaged models or says what is wrong', () => fuzz(15, 12, lossOf));
