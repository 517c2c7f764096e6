export { described } from './described.js';
export { begin, type Progress, type StepOptions } from './progress.js';
export { type Draft, type Estimate, type Program, Runner } from './runner.js';
