/**
 * The worker of a page without a bundler. Import maps do not reach into workers, so that web-worker.mjs does not find
 * ONNX Runtime by its name: this one is told the addresses that the page's own map has for it.
 * @param module the name of the build
 * @throws where there is no such map, as in a bundle.
 */
export function mappedWorker(module: string): Worker {
  // By a variable: webpack looks literals up while it builds.
  const [ort, host] = [module, './web-host.mjs'].map((name) => import.meta.resolve(name));
  const source = `import * as ort from '${ort}'; import { serve } from '${host}'; serve(ort);`;
  return new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })), { type: 'module' });
}
