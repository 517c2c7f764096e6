/** Names of repositories, revisions and files. */
import { GlobalPercError } from '../graph/index.js';
import type { RepoRevision } from './types.js';

const PART = '[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?';
const HUB_ID = new RegExp(`^(${PART}/${PART})(?:@(.+))?$`);

/** What git forbids in the name of a branch or tag: some of it would lead out of the cache's folder. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: git forbids them
const BAD_REVISION = /[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|\/\.|^[./-]|[./]$/;

const COMMIT = /^[0-9a-f]{40}$/;

/** Whether a revision is a whole commit hash, whose files never change. */
export const isCommit = (revision: string): boolean => COMMIT.test(revision);

/**
 * Reads `owner/name` or `owner/name@revision`, e.g. `Xenova/vit-base-patch16-224@main`.
 * @returns undefined for anything else (`./model.onnx`, `a/b/c`, `folder/model.onnx`, a URL), so that it can be tried as
 * a path.
 */
export function parseHubId(source: string): { readonly repo: string; readonly revision?: string } | undefined {
  const [, repo, revision] = HUB_ID.exec(source) ?? [];
  if (repo === undefined || /--|\.\.|\.(onnx|pth?|pkl|bin|safetensors)$/i.test(repo)) return undefined;
  if (revision === undefined) return { repo };
  return BAD_REVISION.test(revision) ? undefined : { repo, revision };
}

/** @throws GlobalPercError when a repository or revision has a name that the hub cannot have. */
export function checkNames(repo: string, revision: string): void {
  if (parseHubId(repo)?.repo !== repo) {
    throw new GlobalPercError(`a repository should be named 'owner/name', got '${repo}'`, { code: 'invalid-option' });
  }
  if (BAD_REVISION.test(revision) || revision === '') {
    throw new GlobalPercError(`a revision of '${repo}' should be a branch, tag or commit, got '${revision}'`, {
      code: 'invalid-option',
    });
  }
}

/** Where a file of a commit can be fetched. */
export const urlOfFile = ({ endpoint, repo }: RepoRevision, commit: string, path: string): string =>
  `${endpoint}/${repo}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
