/** The worker that computes ends, or runs out of memory, while the caller awaits a step or is blocked in a synchronous call. */
import { join } from 'node:path';
import { at, endOf, halfWritten, inFolder, start, stateOf, times } from '../common.mjs';

/** More than all processes together come to before their worker ends. */
const STEPS = 120;
/** The runs of ONNX Runtime among which is the one that is hit: all but the first are steps and, in turn with them, synchronous calls. */
const RUNS = 40;
const PROGRAM = at('programs/train.mjs');
const LIMITED = '--max-old-space-size=120';

/** What the caller must be told. One that is blocked does not hear why the worker has ended. @type {Record<string, { code: RegExp, message: RegExp }>} */
const DEEDS = {
  exit: { code: /^runtime$/, message: /has ended .*start the process again/ },
  throw: { code: /^runtime$/, message: /has ended .*start the process again/ },
  heap: { code: /^(out-of-memory|runtime)$/, message: /has ended .*memory/ },
  allocation: { code: /^out-of-memory$/, message: /memory ran out .*smaller/ },
  native: { code: /^out-of-memory$/, message: /memory ran out .*smaller/ },
};

/** What a program said before it ended. @param {string} said @returns {{ code: string, message: string, doing: string } | undefined} */
function toldIn(said) {
  const line = said.split('\n').find((text) => text.startsWith('{"code"'));
  return line && JSON.parse(line);
}

/** @param {number} scale @returns {Promise<import('../common.mjs').Outcome>} */
export const run = (scale) =>
  inFolder(async (folder) => {
    const rounds = times(scale, 5);
    const whole = join(folder, 'whole');
    await endOf(start([PROGRAM, whole, `${STEPS}`]));
    /** @type {string[]} */
    const lost = [];
    const deeds = Object.entries(DEEDS);
    let blocked = 0;
    for (let round = 0; round < rounds; round += 1) {
      const out = join(folder, `${round}`);
      for (const [name, expected] of deeds) {
        const number = 1 + Math.floor(RUNS * Math.random());
        const args = [LIMITED, '--import', at('programs/faulty.mjs'), PROGRAM, out, `${STEPS}`];
        const { code, said } = await endOf(start(args, { env: { DEED: `${name}:${number}` } }));
        const told = toldIn(said);
        if (told?.doing === 'a synchronous call') blocked += 1;
        if (code !== 1 || !told || !expected.code.test(told.code) || !expected.message.test(told.message))
          lost.push(`${name} in run ${number}: ended with ${code}: ${said.slice(-300)}`);
        lost.push(...(await halfWritten(out)));
      }
      const { code, said } = await endOf(start([PROGRAM, out, `${STEPS}`]));
      if (code !== 0) lost.push(`the run that went on ended with ${code}: ${said}`);
      if (stateOf(out) !== stateOf(whole)) lost.push('the run came to something else than an unbroken one');
    }
    return {
      tried: `${rounds} × the worker exits, throws, fills its heap, asks for too much memory, or ONNX Runtime does, in a random run; ${blocked} of these ${rounds * deeds.length} times the caller was blocked`,
      lost,
      found: 'always a GlobalPercError that says so; runs that went on bit-equal to an unbroken one',
    };
  });
