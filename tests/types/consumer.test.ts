/** What a project of another make sees: strict, with the libraries of ES2022 and a page alone, types of dependencies checked. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const SCRIPT = `
import { GlobalPercConfig, GlobalPercLoss, LPIPS, loadModel, nn, optim, Trainer } from 'globalperc';

const loss = new GlobalPercLoss(await loadModel('model.onnx'), new GlobalPercConfig({ modulesToHook: [nn.ReLU] }));
const image = { dims: [1, 3, 64, 64], data: new Float32Array(3 * 64 * 64) };
const { value, grad, samples } = await loss.valueAndGrad(image, image, { mask: image });
export const numbers: [number, Float32Array, Float32Array | undefined] = [value, grad.data, samples];
export const map: Float32Array = (await new LPIPS().map(image, image)).map.data;
export const trainer = await Trainer.create(new nn.Conv2d(3, 3, 1), loss, new optim.AdamW(), { batch: [1, 3, 64, 64] });
await loss.dispose();
`;

it('the types of the core hold without those of Node', () => {
  // Inside the package, whose name then means itself.
  const folder = mkdtempSync(join(ROOT, 'tests', 'types', 'consumer-'));
  try {
    writeFileSync(join(folder, 'script.ts'), SCRIPT);
    const options = {
      ...{ strict: true, noEmit: true, module: 'nodenext', target: 'es2022', lib: ['ES2022', 'DOM'], types: [] },
      ...{ skipLibCheck: false, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['script.ts'] }));
    const { stdout, status } = spawnSync('npx', ['tsc', '-p', folder], { cwd: ROOT, encoding: 'utf8' });
    expect([stdout, status]).toEqual(['', 0]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
