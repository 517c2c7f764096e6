/** Many damaged models, through the whole library. */
import { it } from 'vitest';
import { fuzz, lossOf } from '../support/fuzz.js';

it('differentiates damaged models or says what is wrong', () => fuzz(2000, 13, lossOf), 600_000);
