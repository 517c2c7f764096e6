/**
 * PyTorch's module classes that are no layers here: they name classes of an imported model, as in
 * `modulesToHook: [nn.SELU]` (https://pytorch.org/docs/stable/nn.html).
 */

/** A module class of PyTorch, by name. */
export interface ModuleClass {
  readonly className: string;
}

const moduleClass = (className: string): ModuleClass => ({ className });

export const LocalResponseNorm = moduleClass('LocalResponseNorm');
export const SELU = moduleClass('SELU');
export const CELU = moduleClass('CELU');
export const Hardtanh = moduleClass('Hardtanh');
export const Softsign = moduleClass('Softsign');
export const Softmin = moduleClass('Softmin');
export const LogSigmoid = moduleClass('LogSigmoid');
export const Softshrink = moduleClass('Softshrink');
export const Hardshrink = moduleClass('Hardshrink');
export const Tanhshrink = moduleClass('Tanhshrink');
export const Threshold = moduleClass('Threshold');
export const GLU = moduleClass('GLU');
export const AdaptiveMaxPool2d = moduleClass('AdaptiveMaxPool2d');
export const AdaptiveMaxPool1d = moduleClass('AdaptiveMaxPool1d');
export const AdaptiveMaxPool3d = moduleClass('AdaptiveMaxPool3d');
export const ChannelShuffle = moduleClass('ChannelShuffle');
export const AdaptiveAvgPool1d = moduleClass('AdaptiveAvgPool1d');
export const AdaptiveAvgPool3d = moduleClass('AdaptiveAvgPool3d');
export const Unflatten = moduleClass('Unflatten');
