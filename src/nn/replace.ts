/** Putting a module in the place of another, for `Module.replace`. */
import { GlobalPercError, listed } from '../graph/index.js';
import { nearest } from '../options/index.js';

/** What holds modules by path. */
interface Tree {
  readonly className: string;
  namedModules(): Iterable<[string, object]>;
}

/** @throws GlobalPercError when there is no module at the path, and where both tell their features, and not the same. */
export function replaceModule(root: Tree, path: string, module: object): void {
  const modules = new Map(root.namedModules());
  const former = path === '' ? undefined : modules.get(path);
  if (former === undefined) {
    const paths = [...modules.keys()].filter((name) => name !== '');
    const close = nearest(path, paths);
    throw new GlobalPercError(
      `${root.className}: there is no module '${path}'; ${close ? `did you mean '${close}'?` : `there are ${listed(paths)}`}`,
      { code: 'invalid-option' },
    );
  }
  requireSameFeatures(path, former, module);
  const names = path.split('.');
  const last = names.pop() as string;
  (modules.get(names.join('.')) as Record<string, unknown>)[last] = module;
}

/** What layers call the number of features that they give. */
const FEATURES = ['outFeatures', 'outChannels', 'embeddingDim'] as const;

function requireSameFeatures(path: string, former: object, module: object): void {
  const told = (of: object): number | undefined =>
    FEATURES.map((name) => (of as Readonly<Record<string, unknown>>)[name]).find((count) => typeof count === 'number');
  const [wanted, found] = [told(former), told(module)];
  if (wanted === undefined || found === undefined || wanted === found) return;
  throw new GlobalPercError(`replace: '${path}' gives ${wanted} features, the module in its place ${found}`, {
    code: 'invalid-option',
  });
}
