/** Distillation: a student's own activations are drawn to those of a teacher that sees the same input. */
import { GlobalPercError, sameShape, Tensor, type TensorType } from '../graph/index.js';
import type { Model } from '../model/index.js';
import { type ModuleCall, selectHooks } from '../modules/index.js';
import type { Steps } from '../runtime/index.js';
import { GlobalPercConfig } from './config.js';
import { weightCurve } from './curve.js';
import { CosineLoss, type Distance } from './distances.js';
import type { LossOptions } from './loss.js';
import { type Comparison, type Objective, type Scene, type StepOptions, weightedHooks } from './objective.js';
import { GlobalPercLoss } from './perceptual.js';

/** How TeacherStudentLoss differs from the perceptual loss. */
export interface TeacherStudentOptions extends LossOptions {
  /** Modules of the student to hook; as many as of the teacher. Default: the config's `modulesToHook`. */
  readonly studentModulesToHook?: GlobalPercConfig['modulesToHook'];
}

/** (1 − cos)² over the last dimension, mean. */
const DISTANCE: Distance = new CosineLoss({ dim: -1 });

/**
 * Σᵢ wᵢ · mean (1 − cos(Sᵢ, Tᵢ))² over the hooked activations S of the student and T of the teacher, cosines over the last
 * dimension after dims from 2 on of a tensor of rank above 3 are flattened. Hooks are paired in execution order; where a
 * teacher's has k times the channels of the student's, every k neighbouring ones are averaged. The student trains – with
 * batch statistics, where it has batch norm –, the teacher is frozen and takes no gradient.
 */
export class TeacherStudentLoss implements Objective {
  readonly config: GlobalPercConfig;
  private readonly teacher: GlobalPercLoss;
  private readonly student: object;
  private readonly studentModules: GlobalPercConfig['modulesToHook'];

  /**
   * @param student The module that the Trainer trains.
   * @param config Curve, hooks and transform; `lossFunc` and `dynamicNormalization` are not used.
   * @throws GlobalPercError when no module of the teacher matches.
   */
  constructor(
    teacher: Model,
    student: object,
    config: GlobalPercConfig = new GlobalPercConfig(),
    { studentModulesToHook = config.modulesToHook, ...options }: TeacherStudentOptions = {},
  ) {
    this.config = config;
    this.teacher = new GlobalPercLoss(teacher, config, options);
    this.student = student;
    this.studentModules = studentModulesToHook;
  }

  /** The output is not compared: any target of its shape will do. */
  targetType(output: TensorType): TensorType {
    return output;
  }

  inspect(name: string, data: Float32Array): void {
    this.teacher.inspect(name, data);
  }

  /** @throws GlobalPercError when the student is another one, or the hooks of both do not match in number or shape. */
  *objective({ student, input, calls, draws }: Scene, options: StepOptions = {}): Steps<Comparison> {
    if (student !== this.student) throw new GlobalPercError('TeacherStudentLoss was made for another student');
    const hooked = selectHooks(calls, this.studentModules);
    const teacherHooks = this.teacher.hooks;
    if (hooked.length !== teacherHooks.length) {
      throw new GlobalPercError(
        `TeacherStudentLoss: ${hooked.length} hooks in the student (${pathsOf(hooked)}), ${teacherHooks.length} in the ` +
          `teacher (${pathsOf(teacherHooks)}): choose as many of both with modulesToHook and studentModulesToHook`,
      );
    }
    const wanted = yield* this.teacher.features(input, draws, options);
    const weights = weightCurve(this.config, hooked.length);
    const activations = hooked.map(({ output }) => new Tensor(input.graph, output));
    const losses = activations.map((activation, i) => {
      const target = matched(wanted[i] as Tensor, activation, hooked[i] as ModuleCall, teacherHooks[i] as ModuleCall);
      return DISTANCE.forward(activation, target.detach()).reshape([1]);
    });
    return weightedHooks(hooked, activations, losses, weights);
  }

  /** Frees the sessions. */
  dispose(): Promise<void> {
    return this.teacher.dispose();
  }
}

const pathsOf = (calls: readonly ModuleCall[]): string => calls.map(({ path }) => path).join(', ');

/** The teacher's activation in the student's shape: groups of channels averaged. @throws GlobalPercError when it cannot be. */
function matched(teacher: Tensor, student: Tensor, studentCall: ModuleCall, teacherCall: ModuleCall): Tensor {
  if (sameShape(teacher.shape, student.shape)) return teacher;
  // [B, N, C] holds tokens, everything else channels in dimension 1.
  const axis = student.rank === 3 ? 2 : 1;
  const [wide, narrow] = [teacher.shape[axis] ?? 0, student.shape[axis] ?? 1];
  const fits = wide % narrow === 0 && sameShape(teacher.shape.with(axis, narrow), student.shape);
  if (!fits) {
    throw new GlobalPercError(
      `TeacherStudentLoss: student ${studentCall.path} gives [${student.shape}], teacher ${teacherCall.path} [${teacher.shape}]: ` +
        'they should be equal, up to a whole factor of channels in the teacher',
    );
  }
  return teacher.reshape(teacher.shape.toSpliced(axis, 1, narrow, wide / narrow)).mean([axis + 1]);
}
