/** As web-worker, with the build of ONNX Runtime Web that reaches a GPU. */
import * as ort from 'onnxruntime-web/webgpu';
import { serve } from './web-host.mjs';

serve(ort);
