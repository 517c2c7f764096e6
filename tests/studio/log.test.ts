/** Logs of runs as the page reads them. */
import { expect, it } from 'vitest';
import { hookLines, lineOf, parseLog, summaryOf } from '../../studio/src/runs/log.js';

const line = (step: number, more: object = {}): string =>
  JSON.stringify({ step, loss: 2 / step, gradNorm: 1, lr: 0.1, hooks: [step, 2], seconds: 0.5, ...more });

it('keeps what is left of a line that is being written', () => {
  const text = `${line(1)}\n${line(2)}\n{"step":3,"lo`;
  const { entries, rest } = parseLog(text);
  expect(entries.map(({ step }) => step)).toEqual([1, 2]);
  expect(rest).toBe('{"step":3,"lo');
  expect(parseLog(`${rest}ss":1,"gradNorm":1,"lr":1}\n`).entries[0]).toMatchObject({ step: 3, loss: 1, hooks: [] });
});

it.each(['{"a":1}\n', 'hello\n', '[1, 2]\n', '{"step":"1","loss":1,"gradNorm":1,"lr":1}\n'])('refuses %s', (text) => {
  expect(() => parseLog(text)).toThrow(/^no log of a training: a line has step, loss, gradNorm and lr, got /);
});

it('names the hooks as the log does, and tells those of one name apart', () => {
  const paths = ['relu', 'relu'];
  const { entries } = parseLog(`${line(1, { paths })}\n${line(2)}\n`);
  const lines = hookLines(entries);
  expect(lines.map(({ name }) => name)).toEqual(['relu', 'relu #1']);
  expect(lines[0]?.points).toEqual([
    [1, 1],
    [2, 2],
  ]);
  expect(hookLines(parseLog(`${line(1)}\n`).entries).map(({ name }) => name)).toEqual(['hook 0', 'hook 1']);
});

it('draws the loss smoothed, with what was measured behind it', () => {
  const { entries } = parseLog(Array.from({ length: 100 }, (_, i) => `${line(i + 1)}\n`).join(''));
  const { points, raw } = lineOf('a', '--accent', entries, 'loss');
  expect(raw?.[9]).toEqual([10, 0.2]);
  expect(points[9]?.[1]).toBeCloseTo((2 / 8 + 2 / 9 + 2 / 10 + 2 / 11 + 2 / 12) / 5, 12);
  expect(summaryOf(entries)).toBe('step 100 · loss 0.02753 (mean of 50) · 2.0 steps/s');
  expect(summaryOf([])).toBe('no step yet');
});
