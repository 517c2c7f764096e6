/**
 * PyTorch's module classes by name, for `modulesToHook: [nn.Linear, nn.Conv2d]`
 * (https://pytorch.org/docs/stable/nn.html). They name classes of an imported model; they hold no layers.
 */

/** A module class of PyTorch. */
export interface ModuleClass {
  readonly className: string;
}

const moduleClass = (className: string): ModuleClass => ({ className });

export const Linear = moduleClass('Linear');
export const Embedding = moduleClass('Embedding');
export const Identity = moduleClass('Identity');
export const Flatten = moduleClass('Flatten');
export const Unflatten = moduleClass('Unflatten');
export const Sequential = moduleClass('Sequential');

export const Conv1d = moduleClass('Conv1d');
export const Conv2d = moduleClass('Conv2d');
export const Conv3d = moduleClass('Conv3d');
export const ConvTranspose1d = moduleClass('ConvTranspose1d');
export const ConvTranspose2d = moduleClass('ConvTranspose2d');
export const ConvTranspose3d = moduleClass('ConvTranspose3d');

export const BatchNorm1d = moduleClass('BatchNorm1d');
export const BatchNorm2d = moduleClass('BatchNorm2d');
export const BatchNorm3d = moduleClass('BatchNorm3d');
export const InstanceNorm1d = moduleClass('InstanceNorm1d');
export const InstanceNorm2d = moduleClass('InstanceNorm2d');
export const InstanceNorm3d = moduleClass('InstanceNorm3d');
export const LayerNorm = moduleClass('LayerNorm');
export const GroupNorm = moduleClass('GroupNorm');
export const RMSNorm = moduleClass('RMSNorm');
export const LocalResponseNorm = moduleClass('LocalResponseNorm');

export const ReLU = moduleClass('ReLU');
export const ReLU6 = moduleClass('ReLU6');
export const LeakyReLU = moduleClass('LeakyReLU');
export const PReLU = moduleClass('PReLU');
export const ELU = moduleClass('ELU');
export const SELU = moduleClass('SELU');
export const CELU = moduleClass('CELU');
export const GELU = moduleClass('GELU');
export const SiLU = moduleClass('SiLU');
export const Mish = moduleClass('Mish');
export const Hardswish = moduleClass('Hardswish');
export const Hardsigmoid = moduleClass('Hardsigmoid');
export const Hardtanh = moduleClass('Hardtanh');
export const Sigmoid = moduleClass('Sigmoid');
export const Tanh = moduleClass('Tanh');
export const Softplus = moduleClass('Softplus');
export const Softsign = moduleClass('Softsign');
export const Softmax = moduleClass('Softmax');
export const LogSoftmax = moduleClass('LogSoftmax');
export const Softmin = moduleClass('Softmin');
export const LogSigmoid = moduleClass('LogSigmoid');
export const Softshrink = moduleClass('Softshrink');
export const Hardshrink = moduleClass('Hardshrink');
export const Tanhshrink = moduleClass('Tanhshrink');
export const Threshold = moduleClass('Threshold');
export const GLU = moduleClass('GLU');

export const MaxPool1d = moduleClass('MaxPool1d');
export const MaxPool2d = moduleClass('MaxPool2d');
export const MaxPool3d = moduleClass('MaxPool3d');
export const AvgPool1d = moduleClass('AvgPool1d');
export const AvgPool2d = moduleClass('AvgPool2d');
export const AvgPool3d = moduleClass('AvgPool3d');
export const AdaptiveAvgPool2d = moduleClass('AdaptiveAvgPool2d');
export const AdaptiveMaxPool2d = moduleClass('AdaptiveMaxPool2d');
export const AdaptiveAvgPool1d = moduleClass('AdaptiveAvgPool1d');
export const AdaptiveAvgPool3d = moduleClass('AdaptiveAvgPool3d');
export const AdaptiveMaxPool1d = moduleClass('AdaptiveMaxPool1d');
export const AdaptiveMaxPool3d = moduleClass('AdaptiveMaxPool3d');

export const Upsample = moduleClass('Upsample');
export const PixelShuffle = moduleClass('PixelShuffle');
export const PixelUnshuffle = moduleClass('PixelUnshuffle');
export const ChannelShuffle = moduleClass('ChannelShuffle');
export const ReflectionPad2d = moduleClass('ReflectionPad2d');
export const ReplicationPad2d = moduleClass('ReplicationPad2d');
export const ZeroPad2d = moduleClass('ZeroPad2d');
export const ConstantPad2d = moduleClass('ConstantPad2d');
export const CircularPad2d = moduleClass('CircularPad2d');
export const ReflectionPad1d = moduleClass('ReflectionPad1d');
export const ReplicationPad1d = moduleClass('ReplicationPad1d');
export const ZeroPad1d = moduleClass('ZeroPad1d');
export const ConstantPad1d = moduleClass('ConstantPad1d');
export const CircularPad1d = moduleClass('CircularPad1d');
export const ReflectionPad3d = moduleClass('ReflectionPad3d');
export const ReplicationPad3d = moduleClass('ReplicationPad3d');
export const ZeroPad3d = moduleClass('ZeroPad3d');
export const ConstantPad3d = moduleClass('ConstantPad3d');
export const CircularPad3d = moduleClass('CircularPad3d');
export const Dropout = moduleClass('Dropout');
export const MultiheadAttention = moduleClass('MultiheadAttention');
