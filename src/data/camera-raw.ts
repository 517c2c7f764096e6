/** Raw files of cameras that look like TIFF: decoding them as such would give their preview. */

/** Tags of the first directory: what the picture is, and the version of Adobe's DNG. */
const [NEW_SUBFILE_TYPE, DNG_VERSION] = [254, 50706];

/** True for a TIFF whose first picture is a reduced one, or which is a DNG (https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf). */
export function isCameraRaw(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const order = bytes.length < 8 ? 0 : view.getUint32(0);
  const little = order === 0x49492a00;
  if (!little && order !== 0x4d4d002a) return false;
  const begin = view.getUint32(4, little);
  const count = begin + 2 <= bytes.length ? view.getUint16(begin, little) : 0;
  for (let i = 0; i < count; i += 1) {
    const at = begin + 2 + 12 * i;
    if (at + 12 > bytes.length) return false;
    const tag = view.getUint16(at, little);
    if (tag === DNG_VERSION || (tag === NEW_SUBFILE_TYPE && (view.getUint32(at + 8, little) & 1) === 1)) return true;
  }
  return false;
}
