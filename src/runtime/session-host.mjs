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
  /**
   * @param {Ort} ort
   * @param {{ readonly writesInto: boolean }} abilities `writesInto`: an output may be computed into a given tensor
   */
  constructor(ort, { writesInto }) {
    this.ort = ort;
    this.writesInto = writesInto;
    /** @type {Map<number, InferenceSession>} */
    this.sessions = new Map();
    /** @type {Map<number, OrtTensor>} */
    this.kept = new Map();
    /** What a replaced tensor leaves behind: the next value is computed into it. @type {Map<number, OrtTensor>} */
    this.spares = new Map();
    this.next = 0;
  }

  /**
   * @param {CreateRequest} request
   * @returns {Promise<number>} the session's id
   */
  async create({ model, external, options }) {
    const session = await this.ort.InferenceSession.create(model, { ...options, externalData: external });
    free([model, ...external.map(({ data }) => data)]);
    this.next += 1;
    this.sessions.set(this.next, session);
    return this.next;
  }

  /**
   * @param {RunRequest} request
   * @returns {Promise<Record<string, HostTensor>>}
   */
  async run({ session, feeds, fetches, keep, replace = {}, requireFinite = [] }) {
    const running = this.sessions.get(session);
    if (running === undefined) throw new Error(`session ${session} is disposed`);
    const inputs = Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, this.tensorOf(feed)]));
    const targets = (fetches ?? running.outputNames).map((name) => [name, this.spareFor(replace[name])]);
    const outputs = await running.run(inputs, Object.fromEntries(targets));
    /** @type {Record<string, HostTensor>} */
    const results = {};
    const finite = requireFinite.every((name) => allFinite(outputs[name]));
    for (const [name, tensor] of Object.entries(outputs)) {
      const kept = replace[name];
      if (kept !== undefined) {
        if (finite) this.replace(kept, tensor);
        else this.free(tensor);
        continue;
      }
      const described = { dtype: /** @type {HostTensor['dtype']} */ (tensor.type), dims: tensor.dims };
      results[name] = keep
        ? { ...described, kept: this.keep(tensor) }
        : { ...described, data: /** @type {any} */ (tensor.data) };
    }
    return results;
  }

  /** @param {number | undefined} kept */
  spareFor(kept) {
    return (this.writesInto && kept !== undefined && this.spares.get(kept)) || null;
  }

  /**
   * @param {number} id
   * @param {OrtTensor} tensor
   */
  replace(id, tensor) {
    const former = this.kept.get(id);
    if (former && this.writesInto) this.spares.set(id, former);
    else this.free(former);
    this.kept.set(id, tensor);
  }

  /** Gives back the memory of a device, which a browser's engine does not do by itself. @param {OrtTensor | undefined} tensor */
  free(tensor) {
    if (!this.writesInto && tensor?.location === 'gpu-buffer') tensor.dispose();
  }

  /**
   * @param {readonly HostTensor[]} tensors
   * @returns {Promise<number[]>} their ids
   */
  async upload(tensors) {
    return tensors.map((tensor) => this.keep(this.tensorOf(tensor)));
  }

  /**
   * @param {readonly number[]} ids
   * @returns {Promise<HostTensor[]>}
   */
  async download(ids) {
    return ids.map((id) => {
      const tensor = this.tensorOf({ dtype: 'float32', dims: [], kept: id });
      return { dtype: /** @type {any} */ (tensor.type), dims: tensor.dims, data: /** @type {any} */ (tensor.data) };
    });
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
    if (tensor === undefined) throw new Error('a tensor kept beside the session is used after it was released');
    return tensor;
  }

  /** @param {readonly number[]} ids */
  release(ids) {
    for (const id of ids) {
      this.free(this.kept.get(id));
      this.kept.delete(id);
      this.spares.delete(id);
    }
  }

  /** @param {number} id */
  async dispose(id) {
    const session = this.sessions.get(id);
    this.sessions.delete(id);
    await session?.release();
  }
}

/** @param {OrtTensor | undefined} tensor */
function allFinite(tensor) {
  return Array.from(/** @type {Float32Array} */ (tensor?.data ?? []), Number).every(Number.isFinite);
}

/**
 * Frees what the runtime has copied. The garbage collector of a thread that allocates little would leave it for long: as much as the weights.
 * @param {Uint8Array[]} arrays
 */
function free(arrays) {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  port1.postMessage(undefined, [...new Set(arrays.map(({ buffer }) => /** @type {ArrayBuffer} */ (buffer)))]);
  port1.close();
}
