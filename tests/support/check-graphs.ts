/** Every graph that a test compiles is checked after every pass. */
import { checkGraphs } from '../../src/graph/index.js';

checkGraphs(true);
