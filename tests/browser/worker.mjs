/** Runs the scenario it is told. */
import { SCENARIOS } from './scenarios.mjs';

self.onmessage = async (/** @type {MessageEvent<keyof typeof SCENARIOS>} */ { data: name }) => {
  try {
    self.postMessage({ result: await SCENARIOS[name]() });
  } catch (error) {
    self.postMessage({ error: error instanceof Error ? error.stack : String(error) });
  }
};
