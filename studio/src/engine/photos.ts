/** The photographs of the page, `photos/<file>.jpg`: what they are called, and which the demo learns from. */
export const PHOTOS = {
  boats: 'nagasaki-boats',
  'from above': 'airplane-from-above',
  Alps: 'french-alpine-landscape',
  canyon: 'black-canyon',
  'dust bowl': 'dust-bowl-home',
  'cat on a train': 'locomotion-house-cat',
  flowers: 'allium-oreophilum',
} as const;

/** Kept out of training, as in the demo. */
const HELD_OUT: readonly string[] = [PHOTOS.boats, PHOTOS['from above']];

export const TRAINING = Object.values(PHOTOS).filter((name) => !HELD_OUT.includes(name));
