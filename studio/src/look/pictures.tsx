/** The two images, the heat map and the gradient. */
import { useState } from 'preact/hooks';
import { DEGRADATIONS, type DegradationName } from '../engine/degrade.js';
import { type Picture, sidesOf } from '../engine/image.js';
import { PHOTOS } from '../engine/photos.js';
import { Drop } from '../ui/drop.js';
import { Figure } from '../ui/image-view.js';
import { Busy, Card, Choice, Problem } from '../ui/parts.js';
import { ColourBar, GradientBar } from './colour-bar.js';
import * as state from './state.js';

export function Pictures() {
  const [pred, target] = [state.images.value?.pred, state.images.value?.target];
  const shown = state.onlyHook.value;
  const place = shown ? `where ${shown.path || shown.class} differs` : 'where they differ';
  return (
    <Card
      title="Images"
      side={<Busy when={state.looking.busy.value || state.differentiating.busy.value} />}
      class="pictures"
    >
      <Examples />
      <Problem text={state.pictureError.value} />
      <div class="figures">
        <Figure caption={`prediction: ${state.prediction.value?.name ?? 'none'}`} image={pred} label="prediction">
          <TakePicture which="prediction" />
        </Figure>
        <Figure caption={`target: ${state.target.value?.name ?? 'none'}`} image={target} label="target">
          <TakePicture which="target" />
        </Figure>
        <Figure caption={place} image={state.heat.value?.image} label={`heat map: ${place}`}>
          {state.heat.value && <ColourBar most={state.heat.value.most} />}
        </Figure>
        <Figure caption="gradient by pixel" image={state.gradient.value?.image} label="gradient">
          {state.gradient.value && <GradientBar most={state.gradient.value.most} />}
        </Figure>
      </div>
      <Problem text={state.looking.error.value ?? state.differentiating.error.value} />
      <Sizes picture={state.target.value} other={state.prediction.value} />
    </Card>
  );
}

/** Photographs of the page, and what is done to them. */
function Examples() {
  const [photo, setPhoto] = useState<string>(PHOTOS.boats);
  const [name, setName] = useState<DegradationName>('blurred');
  return (
    <div class="row">
      <Choice
        label="Photograph"
        value={photo}
        options={Object.entries(PHOTOS).map(([text, file]) => [file, text] as const)}
        onChange={(next) => {
          setPhoto(next);
          void state.takeExample(next, name);
        }}
      />
      <Choice
        label="Prediction"
        value={name}
        options={(Object.keys(DEGRADATIONS) as DegradationName[]).map((key) => [key, key] as const)}
        onChange={(next) => {
          setName(next);
          state.degrade(next);
        }}
      />
    </div>
  );
}

const TakePicture = ({ which }: { readonly which: 'prediction' | 'target' }) => (
  <Drop
    label={`Choose the ${which}`}
    accept="image/*"
    class="small"
    onFiles={([file]) => file && void state.takePicture(which, file)}
  >
    <span>
      <b>Choose</b> or drop
    </span>
  </Drop>
);

const scaled = (which: string, { scaledFrom }: Picture): string[] =>
  scaledFrom ? [`The ${which} was scaled from ${scaledFrom[1]} × ${scaledFrom[0]}.`] : [];

/** What became of sizes that were too large, or not the same. */
function Sizes({ picture, other }: { readonly picture: Picture | undefined; readonly other: Picture | undefined }) {
  if (!picture || !other) return null;
  const [height, width] = sidesOf(picture.image);
  const differs = sidesOf(other.image).join() !== sidesOf(picture.image).join();
  const notes = [
    ...scaled('target', picture),
    ...scaled('prediction', other),
    ...(differs ? ['The prediction was scaled to the target.'] : []),
  ];
  return (
    <p class="note">
      {width} × {height} pixels. {notes.join(' ')}
    </p>
  );
}
