/** AlexNet, trained on ImageNet, as the teacher of the examples, and how images are compared with it. */
import { GlobalPercConfig, loadModel, nn, transforms } from 'globalperc';

export const alexnet = await loadModel('assets/lpips-alex.onnx');
export const config = new GlobalPercConfig({
  modulesToHook: [nn.ReLU],
  transformNormalization: new transforms.Normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }),
});
