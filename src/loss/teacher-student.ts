/** Distillation: a student's own activations are drawn to those of a teacher that sees the same input. */
import { GlobalPercError, sameShape, Tensor, type TensorType } from '../graph/index.js';
import type { Model } from '../model/index.js';
import { type ModuleCall, selectHooks } from '../modules/index.js';
import { ModuleList } from '../nn/public.js';
import { type Checks, checkOptions, listOf, nearest, oneOf, pairOf, refused, string } from '../options/index.js';
import type { HostTensor, Steps } from '../runtime/index.js';
import { aligned } from './aligned.js';
import { distance, GlobalPercConfig, SELECTORS } from './config.js';
import { weightCurve } from './curve.js';
import {
  type Comparison,
  type HookSite,
  type LossDescription,
  type Scene,
  type StudentScene,
  sitesOf,
} from './description.js';
import { CosineLoss, channelAxis, type Distance, type LossFunc } from './distances.js';
import { LOSS, Loss, type LossOptions } from './loss.js';
import { Measured } from './measured.js';
import { weightedHooks } from './parts.js';
import { perceptual } from './perceptual.js';
import { distanceAt, type PerceptualDescription } from './perceptual-description.js';
import { PROJECTOR, type Projector, projectorFor } from './projector.js';
import { View } from './view.js';

/** How TeacherStudentLoss differs from the perceptual loss. */
export interface TeacherStudentOptions extends LossOptions {
  /** Modules of the student to hook; as many as of the teacher. Default: the config's `modulesToHook`. */
  readonly studentModulesToHook?: GlobalPercConfig['modulesToHook'];
  /** Paths of modules to compare, `[student, teacher]` each, in place of pairs in execution order. */
  readonly pairs?: readonly (readonly [student: string, teacher: string])[];
  /**
   * What the teacher sees: what the student sees, or the target, a photograph beside its latents, say. The trainer is then told the
   * target's type: `{ target: { dtype: 'float32', shape: [8, 3, 448, 448] } }`. Default `'input'`.
   */
  readonly teacherInput?: 'input' | 'target';
  /** Distance between two activations, or a function of the student's hook that gives it its own. Default `new CosineLoss({ dim: -1 })`. */
  readonly lossFunc?: LossFunc;
  /**
   * What the student's activation of each pair goes through before it is compared: a module that takes it to the teacher's channels, and trains along. Default:
   * none; where the teacher has k times the channels, every k neighbouring ones are averaged.
   */
  readonly projector?: Projector;
}

const OPTIONS: Checks<TeacherStudentOptions> = {
  ...LOSS,
  studentModulesToHook: SELECTORS,
  pairs: listOf(pairOf(string)),
  teacherInput: oneOf('input', 'target'),
  lossFunc: distance,
  projector: PROJECTOR,
};

/**
 * Σᵢ wᵢ · mean (1 − cos(Sᵢ, Tᵢ))² over the hooked activations S of the student and T of the teacher, cosines over the last
 * dimension after dims from 2 on of a tensor of rank above 3 are flattened. Hooks are paired in execution order; where a
 * teacher's has k times the channels of the student's, every k neighbouring ones are averaged. Distance and pairs may be others. The student trains – with
 * batch statistics, where it has batch norm –, the teacher is frozen and takes no gradient. It runs in a Trainer alone.
 */
export class TeacherStudentLoss extends Loss {
  readonly config: GlobalPercConfig;
  readonly description: LossDescription;
  private readonly distillation: Distillation;

  /**
   * @param student The module that the Trainer trains.
   * @param config Curve, hooks and transform; `lossFunc` and `dynamicNormalization` are not used, nor `modulesToHook` beside `pairs`.
   * @throws GlobalPercError when no module of the teacher matches, and for pairs beside studentModulesToHook.
   */
  constructor(
    teacher: Model,
    student: object,
    config: GlobalPercConfig = new GlobalPercConfig(),
    given: TeacherStudentOptions = {},
  ) {
    const { studentModulesToHook, pairs, teacherInput, lossFunc, projector, ...options } = checkOptions(
      given,
      OPTIONS,
      'TeacherStudentLoss',
    );
    super(options);
    if (pairs && studentModulesToHook) {
      throw new GlobalPercError('TeacherStudentLoss: tell either pairs or studentModulesToHook', {
        code: 'invalid-option',
      });
    }
    if (Object(student) !== student) {
      throw refused('TeacherStudentLoss: student', 'the module that the Trainer trains', student);
    }
    this.config = config;
    const hooked = pairs ? hooking(config, pairs) : config;
    this.distillation = new Distillation(perceptual(teacher, hooked), student, {
      pairs,
      modules: studentModulesToHook ?? config.modulesToHook,
      teacherInput: teacherInput ?? 'input',
      // (1 − cos)² over the last dimension, mean.
      lossFunc: lossFunc ?? new CosineLoss({ dim: -1 }),
      projector,
    });
    this.description = this.distillation;
  }

  /** The projectors by pair, which a Trainer makes when it is created; undefined before, and without `projector`. */
  get projectors(): ModuleList | undefined {
    return this.distillation.projectors;
  }
}

/** A configuration that hooks the teacher's modules of some pairs. */
const hooking = (config: GlobalPercConfig, pairs: Pairs): GlobalPercConfig =>
  new GlobalPercConfig({
    ...config,
    modulesToHook: pairs.map(([, path]) => new RegExp(`^${path.replaceAll('.', '\\.')}$`)),
  });

type Pairs = NonNullable<TeacherStudentOptions['pairs']>;

/** How activations are paired, what the teacher sees, and how they are compared. */
interface Comparing {
  readonly pairs: Pairs | undefined;
  readonly modules: GlobalPercConfig['modulesToHook'];
  readonly teacherInput: 'input' | 'target';
  readonly lossFunc: LossFunc;
  readonly projector: Projector | undefined;
}

/** What is read of the student, hook by hook. */
type Activations = readonly Tensor[];

class Distillation implements LossDescription<Activations> {
  projectors: ModuleList | undefined;
  readonly openInputs: PerceptualDescription['openInputs'];
  private readonly teacher: PerceptualDescription;
  private readonly student: object;
  private readonly comparing: Comparing;

  constructor(teacher: PerceptualDescription, student: object, comparing: Comparing) {
    this.teacher = teacher;
    this.student = student;
    this.comparing = comparing;
    this.openInputs = teacher.openInputs;
  }

  get files(): readonly string[] {
    return this.teacher.files;
  }

  *prediction(scene: Scene): Steps<Activations> {
    return this.hooks(scene).map(([{ output }]) => new Tensor(scene.output.graph, output));
  }

  *target(scene: Scene): Steps<Activations> {
    const { input } = this.studentOf(scene);
    const seen = this.comparing.teacherInput === 'target' ? scene.target : input;
    const activations = yield* this.teacher.activations(seen, scene);
    return this.hooks(scene).map(([, teacher]) => activations[this.teacher.hooks.indexOf(teacher)] as Tensor);
  }

  /** The projectors, made for what both networks give. */
  *owned(scene: Scene): Steps<ModuleList | undefined> {
    const { projector } = this.comparing;
    if (projector === undefined || this.projectors) return this.projectors;
    const pairs = this.paired(yield* this.prediction(scene), yield* this.target(scene), scene);
    this.projectors = new ModuleList(
      pairs.map(({ student, teacher }) => projectorFor(projector, student.shape, teacher.shape)),
    );
    return this.projectors;
  }

  /** What is compared, pair by pair. */
  private paired(prediction: Activations, target: Activations, scene: Scene): Pair[] {
    const { input } = this.studentOf(scene);
    const hooks = this.hooks(scene);
    const [sites, others] = [prediction, target].map((activations, side) =>
      sitesOf(
        hooks.map((calls) => calls[side] as ModuleCall),
        activations,
      ),
    ) as [HookSite[], HookSite[]];
    return sites.map((site, i) => {
      const distance = distanceAt(this.comparing.lossFunc, site);
      const own = { activation: prediction[i] as Tensor, site };
      const theirs = { activation: target[i] as Tensor, site: others[i] as HookSite };
      const relates = distance.fits?.(site.shape, theirs.site.shape) ?? false;
      const [student, teacher] = relates ? [own.activation, theirs.activation] : aligned(own, theirs, input);
      return { site, teacherSite: theirs.site, distance, student, teacher };
    });
  }

  /** @throws GlobalPercError where the teacher sees the target: the student's output does not tell its type. */
  targetType(output: TensorType): TensorType {
    if (this.comparing.teacherInput === 'input') return output;
    throw new GlobalPercError(
      "TeacherStudentLoss: the teacher sees the target, whose type the Trainer is told: { target: { dtype: 'float32', shape: [8, 3, 224, 224] } }",
      { code: 'invalid-option' },
    );
  }

  compare(prediction: Activations, target: Activations, scene: Scene): Comparison {
    const view = new View(scene);
    const pairs = this.paired(prediction, target, scene);
    const measured = pairs.map((pair, i) => {
      const { projectors } = this;
      const seen = projectors ? projectors.at(i)(pair.student) : pair.student;
      return new Measured(pair.distance, seen, matched(seen, pair).detach(), view);
    });
    const sites = pairs.map(({ site }) => site);
    return weightedHooks(scene, sites, measured, weightCurve(this.teacher.config, measured.length));
  }

  /** Looks at what the teacher sees. */
  inspect(name: string, image: HostTensor): void {
    if (name === 'target' || this.comparing.teacherInput === 'input') this.teacher.inspect(name, image);
  }

  /** @throws GlobalPercError where no student, or another one, is trained. */
  private studentOf({ student }: Scene): StudentScene {
    if (student === undefined) {
      throw new GlobalPercError('TeacherStudentLoss compares activations of a student: use it in a Trainer', {
        code: 'invalid-option',
      });
    }
    if (student.module !== this.student)
      throw new GlobalPercError(
        'TeacherStudentLoss was made for another student: give it the module that the Trainer trains',
        { code: 'invalid-option' },
      );
    return student;
  }

  /** Calls of the student and the teacher that are compared. @throws GlobalPercError where one has no counterpart. */
  private hooks(scene: Scene): readonly (readonly [student: ModuleCall, teacher: ModuleCall])[] {
    const { calls } = this.studentOf(scene);
    const { hooks } = this.teacher;
    const { pairs, modules } = this.comparing;
    if (pairs) return pairs.flatMap((pair) => pairedCalls(pair, calls, hooks));
    const hooked = selectHooks(calls, modules);
    if (hooked.length === hooks.length) return hooked.map((call, i) => [call, hooks[i] as ModuleCall] as const);
    throw new GlobalPercError(
      `TeacherStudentLoss: ${hooked.length} hooks in the student (${pathsOf(hooked)}), ${hooks.length} in the ` +
        `teacher (${pathsOf(hooks)}): choose as many of both with modulesToHook and studentModulesToHook`,
      { code: 'invalid-option' },
    );
  }
}

/** The calls of two modules, one by one. @throws GlobalPercError when there are not as many of both, or none. */
function pairedCalls(
  [student, teacher]: Pairs[number],
  calls: readonly ModuleCall[],
  hooks: readonly ModuleCall[],
): [ModuleCall, ModuleCall][] {
  const own = calls.filter(({ path }) => path === student);
  const others = hooks.filter(({ path }) => path === teacher);
  if (own.length > 0 && own.length === others.length) return own.map((call, i) => [call, others[i] as ModuleCall]);
  const close =
    own.length === 0
      ? nearest(
          student,
          calls.map(({ path }) => path),
        )
      : undefined;
  throw new GlobalPercError(
    `TeacherStudentLoss: pairs: '${student}' is called ${own.length} times in the student${close ? ` (did you mean '${close}'?)` : ''}, ` +
      `'${teacher}' ${others.length} times in the teacher`,
    { code: 'invalid-option' },
  );
}

const pathsOf = (calls: readonly ModuleCall[]): string => calls.map(({ path }) => path).join(', ');

/** Two activations that are compared, at the same places. */
interface Pair {
  readonly site: HookSite;
  readonly teacherSite: HookSite;
  readonly distance: Distance;
  readonly student: Tensor;
  readonly teacher: Tensor;
}

/** The teacher's activation in the student's shape: groups of channels averaged. @throws GlobalPercError when it cannot be. */
function matched(student: Tensor, { teacher, distance, site, teacherSite }: Pair): Tensor {
  if (sameShape(teacher.shape, student.shape) || distance.fits?.(student.shape, teacher.shape)) return teacher;
  const axis = channelAxis(student.shape);
  const [wide, narrow] = [teacher.shape[axis] ?? 0, student.shape[axis] ?? 1];
  const fits = wide % narrow === 0 && sameShape(teacher.shape.with(axis, narrow), student.shape);
  if (!fits) {
    throw new GlobalPercError(
      `TeacherStudentLoss: student ${site.path} gives [${student.shape}], teacher ${teacherSite.path} [${teacher.shape}]: ` +
        "they should be equal, up to a whole factor of channels in the teacher; a projector, { projector: 'linear' }, takes any width to any other",
      { code: 'invalid-option' },
    );
  }
  return teacher.reshape(teacher.shape.toSpliced(axis, 1, narrow, wide / narrow)).mean([axis + 1]);
}
