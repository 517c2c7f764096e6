/** Training of denoisers against PyTorch and peft, for as long as the fixtures are. See `fixtures/make_denoising.py`. */
import { it, vi } from 'vitest';
import { expectLosses, fixture } from '../support/denoising.js';

it.each(fixture.cases)('$name: the losses of 20 steps are those of PyTorch', async (test) => {
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  await expectLosses(test, 20);
});
