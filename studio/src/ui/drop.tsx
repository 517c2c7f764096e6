/** A place for a file: to be dropped on, or chosen by a button. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

/** @param accept as of `<input type="file">`. */
export function Drop({
  label,
  accept,
  multiple = false,
  onFiles,
  children,
  class: extra = '',
}: {
  readonly label: string;
  readonly accept: string;
  readonly multiple?: boolean;
  readonly onFiles: (files: readonly File[]) => void;
  readonly children?: ComponentChildren;
  readonly class?: string;
}) {
  const [over, setOver] = useState(false);
  return (
    <label
      class={`drop ${over ? 'over' : ''} ${extra}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        const files = [...(event.dataTransfer?.files ?? [])];
        if (files.length > 0) onFiles(files);
      }}
    >
      <input
        type="file"
        accept={accept}
        multiple={multiple}
        aria-label={label}
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])];
          // The same file can be chosen again.
          event.currentTarget.value = '';
          if (files.length > 0) onFiles(files);
        }}
      />
      {children ?? <span>{label}</span>}
    </label>
  );
}
