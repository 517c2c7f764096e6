/** How the examples compare images with AlexNet's activations. */
import { GlobalPercConfig, nn, transforms } from 'globalperc';

export const config = new GlobalPercConfig({
  modulesToHook: [nn.ReLU],
  transformNormalization: new transforms.Normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }),
});
