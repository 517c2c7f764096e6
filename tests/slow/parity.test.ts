/** Every stored case of the original in PyTorch, on files of the dynamo exporter. */
import { expectParity } from '../support/parity.js';

expectParity('dynamo');
