/**
 * The worker in which a browser's worker lets ONNX Runtime Web run on the CPU: it can block while this one computes. Bundlers
 * find it by the URL in platform-browser.
 */
import * as ort from 'onnxruntime-web/wasm';
import { serve } from './web-host.mjs';

serve(ort);
