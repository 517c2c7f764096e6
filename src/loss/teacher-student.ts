/** Distillation: a student's own activations are drawn to those of a teacher that sees the same input. */
import { GlobalPercError, sameShape, Tensor } from '../graph/index.js';
import type { Model } from '../model/index.js';
import { type ModuleCall, selectHooks } from '../modules/index.js';
import { type Checks, checkOptions, refused } from '../options/index.js';
import type { HostTensor, Steps } from '../runtime/index.js';
import { GlobalPercConfig, SELECTORS } from './config.js';
import { weightCurve } from './curve.js';
import {
  type Comparison,
  type HookSite,
  type LossDescription,
  type Scene,
  type StudentScene,
  sitesOf,
} from './description.js';
import { CosineLoss, type Distance } from './distances.js';
import { LOSS, Loss, type LossOptions } from './loss.js';
import { Measured } from './measured.js';
import { weightedHooks } from './parts.js';
import { perceptual } from './perceptual.js';
import type { PerceptualDescription } from './perceptual-description.js';
import { View } from './view.js';

/** How TeacherStudentLoss differs from the perceptual loss. */
export interface TeacherStudentOptions extends LossOptions {
  /** Modules of the student to hook; as many as of the teacher. Default: the config's `modulesToHook`. */
  readonly studentModulesToHook?: GlobalPercConfig['modulesToHook'];
}

/** (1 − cos)² over the last dimension, mean. */
const DISTANCE: Distance = new CosineLoss({ dim: -1 });

const OPTIONS: Checks<TeacherStudentOptions> = { ...LOSS, studentModulesToHook: SELECTORS };

/**
 * Σᵢ wᵢ · mean (1 − cos(Sᵢ, Tᵢ))² over the hooked activations S of the student and T of the teacher, cosines over the last
 * dimension after dims from 2 on of a tensor of rank above 3 are flattened. Hooks are paired in execution order; where a
 * teacher's has k times the channels of the student's, every k neighbouring ones are averaged. The student trains – with
 * batch statistics, where it has batch norm –, the teacher is frozen and takes no gradient. It runs in a Trainer alone.
 */
export class TeacherStudentLoss extends Loss {
  readonly config: GlobalPercConfig;
  readonly description: LossDescription;

  /**
   * @param student The module that the Trainer trains.
   * @param config Curve, hooks and transform; `lossFunc` and `dynamicNormalization` are not used.
   * @throws GlobalPercError when no module of the teacher matches.
   */
  constructor(
    teacher: Model,
    student: object,
    config: GlobalPercConfig = new GlobalPercConfig(),
    given: TeacherStudentOptions = {},
  ) {
    const { studentModulesToHook, ...options } = checkOptions(given, OPTIONS, 'TeacherStudentLoss');
    super(options);
    this.config = config;
    const description = perceptual(teacher, config);
    if (Object(student) !== student) {
      throw refused('TeacherStudentLoss: student', 'the module that the Trainer trains', student);
    }
    this.description = new Distillation(description, student, studentModulesToHook ?? config.modulesToHook);
  }
}

/** What is read of the student, hook by hook. */
type Activations = readonly Tensor[];

class Distillation implements LossDescription<Activations> {
  readonly openInputs: PerceptualDescription['openInputs'];
  private readonly teacher: PerceptualDescription;
  private readonly student: object;
  private readonly studentModules: GlobalPercConfig['modulesToHook'];

  constructor(teacher: PerceptualDescription, student: object, studentModules: GlobalPercConfig['modulesToHook']) {
    this.teacher = teacher;
    this.student = student;
    this.studentModules = studentModules;
    this.openInputs = teacher.openInputs;
  }

  get files(): readonly string[] {
    return this.teacher.files;
  }

  *prediction(scene: Scene): Steps<Activations> {
    return this.studentHooks(scene).map(({ output }) => new Tensor(scene.output.graph, output));
  }

  target(scene: Scene): Steps<Activations> {
    return this.teacher.activations(this.studentOf(scene).input, scene);
  }

  compare(prediction: Activations, target: Activations, scene: Scene): Comparison {
    const sites = sitesOf(this.studentHooks(scene), prediction);
    const teacherSites = sitesOf(this.teacher.hooks, target);
    const view = new View(scene);
    const measured = prediction.map((activation, i) => {
      const wanted = matched(target[i] as Tensor, activation, sites[i] as HookSite, teacherSites[i] as HookSite);
      return new Measured(DISTANCE, activation, wanted.detach(), view);
    });
    return weightedHooks(scene, sites, measured, weightCurve(this.teacher.config, measured.length));
  }

  /** The student's input is what the teacher sees. */
  inspect(name: string, image: HostTensor): void {
    this.teacher.inspect(name, image);
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

  /** @throws GlobalPercError when there are not as many as in the teacher. */
  private studentHooks(scene: Scene): readonly ModuleCall[] {
    const hooked = selectHooks(this.studentOf(scene).calls, this.studentModules);
    const { hooks } = this.teacher;
    if (hooked.length === hooks.length) return hooked;
    throw new GlobalPercError(
      `TeacherStudentLoss: ${hooked.length} hooks in the student (${pathsOf(hooked)}), ${hooks.length} in the ` +
        `teacher (${pathsOf(hooks)}): choose as many of both with modulesToHook and studentModulesToHook`,
      { code: 'invalid-option' },
    );
  }
}

const pathsOf = (calls: readonly ModuleCall[]): string => calls.map(({ path }) => path).join(', ');

/** The teacher's activation in the student's shape: groups of channels averaged. @throws GlobalPercError when it cannot be. */
function matched(teacher: Tensor, student: Tensor, studentSite: HookSite, teacherSite: HookSite): Tensor {
  if (sameShape(teacher.shape, student.shape)) return teacher;
  // [B, N, C] holds tokens, everything else channels in dimension 1.
  const axis = student.rank === 3 ? 2 : 1;
  const [wide, narrow] = [teacher.shape[axis] ?? 0, student.shape[axis] ?? 1];
  const fits = wide % narrow === 0 && sameShape(teacher.shape.with(axis, narrow), student.shape);
  if (!fits) {
    throw new GlobalPercError(
      `TeacherStudentLoss: student ${studentSite.path} gives [${student.shape}], teacher ${teacherSite.path} [${teacher.shape}]: ` +
        'they should be equal, up to a whole factor of channels in the teacher',
      { code: 'invalid-option' },
    );
  }
  return teacher.reshape(teacher.shape.toSpliced(axis, 1, narrow, wide / narrow)).mean([axis + 1]);
}
