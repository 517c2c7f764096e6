/** Many damaged models, through the whole library. */
import { it } from 'vitest';
import { fuzz, loadOf, lossOf } from '../support/fuzz.js';

it(
  'loads damaged files or says what is wrong, without taking memory that the file does not have',
  () => fuzz(4000, 14, loadOf),
  600_000,
);

it('differentiates damaged models or says what is wrong', () => fuzz(2000, 13, lossOf), 600_000);
