/** The preprocessing that a repository describes. */
import { fileKind, GlobalPercError } from '../graph/index.js';

/**
 * Reads a `preprocessor_config.json`.
 * @param where Names it in messages.
 * @throws GlobalPercError when it is not a JSON object.
 */
export function parsePreprocessor(text: string, where: string): Record<string, unknown> {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    const kind = fileKind(new TextEncoder().encode(text));
    const reason = kind === undefined || kind === 'JSON' ? (error as Error).message : `it is ${kind}`;
    throw new GlobalPercError(`'${where}' is not JSON: ${reason}`, {
      code: 'invalid-file',
      cause: error,
    });
  }
  if (typeof content === 'object' && content !== null && !Array.isArray(content)) return { ...content };
  throw new GlobalPercError(`'${where}' should be a JSON object, got ${JSON.stringify(content)?.slice(0, 40)}`, {
    code: 'invalid-file',
  });
}
