/** Test files run beside each other, one on each core: ONNX Runtime's threads would only wait for each other. */
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';

os.availableParallelism = () => 1;
syncBuiltinESMExports();
