/** Every stored case of the original in PyTorch, on files of the TorchScript exporter; the typical one on those of the dynamo exporter. */
import { expectParity } from '../support/parity.js';

expectParity('torchscript');
expectParity('dynamo', 1);
