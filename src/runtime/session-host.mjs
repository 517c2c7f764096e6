/**
 * Owns ONNX Runtime sessions and the tensors kept beside them. The same code serves a Node worker thread
 * (`onnxruntime-node`) and a browser (`onnxruntime-web`); it is plain JavaScript so that a worker can load it as it is.
 *
 * @typedef {import('./types.js').HostTensor} HostTensor
 * @typedef {import('./types.js').RunRequest} RunRequest
 * @typedef {import('./types.js').CreateRequest} CreateRequest
 * @typedef {import('onnxruntime-common').InferenceSession} InferenceSession
 * @typedef {import('onnxruntime-common').Tensor} OrtTensor
 * @typedef {Pick<typeof import('onnxruntime-common'), 'InferenceSession' | 'Tensor'>} Ort
 */

export class SessionHost {
  /** @param {Ort} ort */
  constructor(ort) {
    this.ort = ort;
    /** @type {Map<number, InferenceSession>} */
    this.sessions = new Map();
    /** @type {Map<number, OrtTensor>} */
    this.kept = new Map();
    this.next = 0;
  }

  /**
   * @param {CreateRequest} request
   * @returns {Promise<number>} the session's id
   */
  async create({ model, external, options }) {
    const session = await this.ort.InferenceSession.create(model, { ...options, externalData: external });
    this.next += 1;
    this.sessions.set(this.next, session);
    return this.next;
  }

  /**
   * @param {RunRequest} request
   * @returns {Promise<Record<string, HostTensor>>}
   */
  async run({ session, feeds, fetches, keep }) {
    const running = this.sessions.get(session);
    if (running === undefined) throw new Error(`session ${session} is disposed`);
    const inputs = Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, this.tensorOf(feed)]));
    const outputs = await running.run(inputs, fetches ?? running.outputNames);
    /** @type {Record<string, HostTensor>} */
    const results = {};
    for (const [name, tensor] of Object.entries(outputs)) {
      const described = { dtype: /** @type {HostTensor['dtype']} */ (tensor.type), dims: tensor.dims };
      results[name] = keep
        ? { ...described, kept: this.keep(tensor) }
        : { ...described, data: /** @type {any} */ (tensor.data) };
    }
    return results;
  }

  /** @param {OrtTensor} tensor */
  keep(tensor) {
    this.next += 1;
    this.kept.set(this.next, tensor);
    return this.next;
  }

  /** @param {HostTensor} feed */
  tensorOf(feed) {
    if (feed.kept === undefined)
      return new this.ort.Tensor(/** @type {any} */ (feed.dtype), /** @type {any} */ (feed.data), feed.dims);
    const tensor = this.kept.get(feed.kept);
    if (tensor === undefined) throw new Error('an encoded target is used after it was disposed');
    return tensor;
  }

  /** @param {readonly number[]} ids */
  release(ids) {
    for (const id of ids) this.kept.delete(id);
  }

  /** @param {number} id */
  async dispose(id) {
    const session = this.sessions.get(id);
    this.sessions.delete(id);
    await session?.release();
  }
}
