/** What is a repository's name, and what is a path. */
import { expect, it } from 'vitest';
import { parseHubId } from '../../src/hub/node.js';

it.each([
  ['owner/name', { repo: 'owner/name' }],
  ['Xenova/vit-base-patch16-224', { repo: 'Xenova/vit-base-patch16-224' }],
  ['o_1/n.2', { repo: 'o_1/n.2' }],
  ['owner/name@main', { repo: 'owner/name', revision: 'main' }],
  ['owner/name@v1.0-rc', { repo: 'owner/name', revision: 'v1.0-rc' }],
  ['owner/name@refs/pr/1', { repo: 'owner/name', revision: 'refs/pr/1' }],
  [`owner/name@${'0a'.repeat(20)}`, { repo: 'owner/name', revision: '0a'.repeat(20) }],
])('%s', (source, id) => expect(parseHubId(source)).toEqual(id));

it.each([
  ['no owner', 'model'],
  ['a file', 'models/model.onnx'],
  ['weights', 'weights/dinov2.pth'],
  ['weights of another kind', 'weights/model.safetensors'],
  ['a file in capitals', 'models/MODEL.ONNX'],
  ['a path from here', './name'],
  ['a path from above', '../name'],
  ['a path from the root', '/owner/name'],
  ['too many parts', 'a/b/c'],
  ['a folder', 'owner/'],
  ['a URL', 'https://huggingface.co/owner/name'],
  ['a Windows path', 'C:\\models\\name'],
  ['a Windows path in parts', 'C:/name'],
  ['a space', 'my models/name'],
  ['a double hyphen, which the cache uses', 'owner/na--me'],
  ['a hyphen at the end', 'owner/name-'],
  ['nothing behind the @', 'owner/name@'],
  ['a revision that leads out of the cache', 'owner/name@../../x'],
  ['a revision that leads to the root', 'owner/name@/etc'],
  ['a revision of two dots', 'owner/name@a..b'],
  ['a revision with a space', 'owner/name@a b'],
  ['nothing', ''],
])('%s is none: %s', (_, source) => expect(parseHubId(source)).toBeUndefined());
