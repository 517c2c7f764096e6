/** Losses from JSON, by name. */
import {
  DISTS,
  type DISTSOptions,
  GlobalPercConfig,
  GlobalPercLoss,
  type Loss,
  LPIPS,
  loadModel,
  type NetworkLoss,
  nn,
  TeacherStudentLoss,
  type TeacherStudentOptions,
} from '../index.js';
import {
  anything,
  type Check,
  type Checks,
  checkOptions,
  choice,
  listOf,
  made,
  number,
  oneOf,
  pairOf,
  recordOf,
  required,
  string,
  within,
} from '../options/index.js';
import { loaded } from './built-in.js';
import type { AllSteps } from './progress.js';

/** Paths are relative to the configuration. */
export type Beside = (file: string) => string;

/** Makes a loss for the student that it is to train. */
export type LossMaker = (student: nn.AnyModule) => Loss | Promise<Loss>;

/** A loss whose constructor takes what stands in the JSON, and checks it. */
const plain =
  (Kind: new (options: object) => Loss): Check<LossMaker> =>
  (value = {}, where) => {
    const loss = within(where, () => new Kind(value as object));
    return () => loss;
  };

interface Terms {
  readonly terms: readonly (readonly [LossMaker, number])[];
  readonly balance?: nn.Balance;
}

/** How networks are paired in JSON. */
const PAIRING: Checks<Pick<TeacherStudentOptions, 'pairs' | 'studentModulesToHook' | 'projector'>> = {
  pairs: listOf(pairOf(string)),
  studentModulesToHook: listOf(string),
  projector: oneOf('linear', 'mlp'),
};

/** Losses by name, `{ "perceptual": { … } }`; paths are relative to the configuration. */
export function lossFrom(beside: Beside, step: AllSteps): Check<LossMaker> {
  const perceptual: Check<LossMaker> = (value, where) => {
    const { teacher, ...rest } = recordOf(anything)(value, where);
    const path = beside(string(teacher, `${where}: teacher`));
    const config = GlobalPercConfig.fromJSON(rest, { printData: false }, where);
    return async () => new GlobalPercLoss(await loadModel(path, step), config);
  };
  const teacherStudent: Check<LossMaker> = (value, where) => {
    const { teacher, pairs, studentModulesToHook, projector, ...rest } = recordOf(anything)(value, where);
    const path = beside(string(teacher, `${where}: teacher`));
    const pairing = checkOptions({ pairs, studentModulesToHook, projector }, PAIRING, where);
    const config = GlobalPercConfig.fromJSON(rest, { printData: false }, where);
    const options = { ...pairing, ...('lossFunc' in rest && { lossFunc: config.lossFunc }) };
    return async (student) => new TeacherStudentLoss(await loadModel(path, step), student, config, options);
  };
  /** A loss of the package, made and checked now; its weights, by path or URL, are read later. */
  const ready =
    (make: (options: object) => NetworkLoss): Check<LossMaker> =>
    (value = {}, where) => {
      const { weights, ...rest } = recordOf(anything, 'an object of options')(value, where);
      const place = weights === undefined ? undefined : placeOf(string(weights, `${where}: weights`), beside);
      const loss = within(where, () => make({ ...rest, ...(place !== undefined && { weights: place }) }));
      return () => loaded(loss, place, step);
    };
  const term: Check<readonly [LossMaker, number]> = (value, where) => {
    const [loss, weight] = listOf(anything, 2)(value, where);
    return [anyLoss(loss, `${where}[0]`), number()(weight, `${where}[1]`)];
  };
  const terms: Checks<Terms> = {
    terms: required(listOf(term)),
    balance: oneOf('fixed', 'adaptive', 'uncertainty', 'runningMean'),
  };
  const weighted = made(terms, ({ terms, ...options }) => async (student: nn.AnyModule) => {
    const made = terms.map(async ([make, weight]) => [await make(student), weight] as const);
    return new nn.WeightedLoss(await Promise.all(made), options);
  });
  const anyLoss = choice<LossMaker>({
    l1: plain(nn.L1Loss),
    mse: plain(nn.MSELoss),
    smoothL1: plain(nn.SmoothL1Loss),
    huber: plain(nn.HuberLoss),
    charbonnier: plain(nn.CharbonnierLoss),
    ssim: plain(nn.SSIMLoss),
    msssim: plain(nn.MSSSIMLoss),
    lpips: ready((options) => new LPIPS(options)),
    dists: ready((options) => new DISTS(options as DISTSOptions)),
    perceptual,
    teacherStudent,
    weighted,
  });
  return anyLoss;
}

/** A file, by its path or as an address. */
const placeOf = (source: string, beside: Beside): string => (/^(https?|file):/i.test(source) ? source : beside(source));
