/**
 * Loads and compiles a model in a process of its own and prints, as JSON, the most memory that it has held at once and
 * what its loss and the compiled file's are. Arguments: the model, the file to compile to.
 */
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { GlobalPercConfig, GlobalPercLoss, loadModel, nn } from '../../dist/index.js';

const [source, out] = /** @type {[string, string]} */ (process.argv.slice(2));
const peakBytes = () => 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

const config = new GlobalPercConfig({ modulesToHook: [nn.Linear], printData: false });
const loss = new GlobalPercLoss(await loadModel(source), config);
const shape = [1, 4, 4096];
/** @param {number} phase */
const wave = (phase) => Float32Array.from({ length: 4 * 4096 }, (_, i) => Math.sin(i * 0.37 + phase));
const [pred, target] = [wave(0), wave(1)];
const { value, grad } = await loss.valueAndGrad({ dims: shape, data: pred }, { dims: shape, data: target });
await loss.dispose();
const written = await new GlobalPercLoss(loss.model, config).compileToFile(out, shape);
const peak = peakBytes();

const session = await InferenceSession.create(out, { extra: { session: { disable_prepacking: '1' } } });
/** @param {Float32Array} data */
const tensor = (data) => new Tensor('float32', data, shape);
const compiled = await session.run({ pred: tensor(pred), target: tensor(target) });
const own = /** @type {Float32Array} */ (grad.data);
const theirs = /** @type {Float32Array} */ (compiled.grad?.data);
const difference = Math.max(...own.map((element, i) => Math.abs(element - Number(theirs[i]))));
process.stdout.write(JSON.stringify({ peak, written, value, compiled: compiled.loss?.data[0], difference }));
