/** The preprocessing that a repository describes. */
import { GlobalPercError } from '../graph/index.js';

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
    throw new GlobalPercError(`'${where}' is not JSON: ${(error as Error).message}`);
  }
  if (typeof content === 'object' && content !== null && !Array.isArray(content)) return { ...content };
  throw new GlobalPercError(`'${where}' should be a JSON object, got ${JSON.stringify(content)?.slice(0, 40)}`);
}
