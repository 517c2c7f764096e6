/** Trains a small network of TensorFlow.js to sharpen photographs: `node examples/tfjs/train-l1.mjs [epochs]`. */
import * as tf from '@tensorflow/tfjs';
import { photos } from './photos.mjs';

const EPOCHS = Number(process.argv[2] ?? 20);

/** A residual network of two convolutions, the same at each start. */
function student() {
  const x = tf.input({ shape: [null, null, 3] });
  const hidden = convolution(16, 1, 'relu').apply(x);
  const detail = convolution(3, 2).apply(hidden);
  return tf.model({ inputs: x, outputs: tf.layers.add().apply([x, detail]) });
}

function convolution(filters, seed, activation = 'linear') {
  const kernelInitializer = tf.initializers.glorotUniform({ seed });
  return tf.layers.conv2d({ filters, kernelSize: 3, padding: 'same', activation, kernelInitializer });
}

const [x, y] = await photos({ batchSize: 16, side: 32 });
const model = student();
const optimizer = tf.train.adam(3e-3);

model.compile({ optimizer, loss: 'meanAbsoluteError' });

await model.fit(x, y, {
  epochs: EPOCHS,
  batchSize: 4,
  verbose: 0,
  callbacks: { onEpochEnd: (epoch, { loss }) => console.log(`epoch ${epoch + 1}: loss ${loss.toFixed(4)}`) },
});
