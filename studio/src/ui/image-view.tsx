/** An image on a canvas. */
import type { ImageTensor } from 'globalperc/data';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { pixelsOf, sidesOf } from '../engine/image.js';

/** An image, or an empty frame where there is none yet. */
export function ImageView({ image, label }: { readonly image: ImageTensor | undefined; readonly label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (!image || !canvas.current) return;
    const [height, width] = sidesOf(image);
    canvas.current.height = height;
    canvas.current.width = width;
    canvas.current.getContext('2d')?.putImageData(pixelsOf(image), 0, 0);
  }, [image]);
  if (!image) return <div class="empty-image" role="img" aria-label={`${label}: nothing yet`} />;
  return <canvas ref={canvas} role="img" aria-label={label} />;
}

/** An image with its caption. */
export const Figure = ({
  caption,
  image,
  label,
  children,
}: {
  readonly caption: ComponentChildren;
  readonly image: ImageTensor | undefined;
  readonly label: string;
  readonly children?: ComponentChildren;
}) => (
  <figure>
    <figcaption>{caption}</figcaption>
    <ImageView image={image} label={label} />
    {children}
  </figure>
);
