/** The small parts that every tab is made of. */
import type { Signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Bar } from '../engine/progress.js';

/** A framed part of a tab. */
export function Card({
  title,
  side,
  children,
  class: extra = '',
}: {
  readonly title?: ComponentChildren;
  /** To the right of the title. */
  readonly side?: ComponentChildren;
  readonly children: ComponentChildren;
  readonly class?: string;
}) {
  return (
    <section class={`card ${extra}`}>
      {(title || side) && (
        <header class="card-head">
          <h2>{title}</h2>
          {side}
        </header>
      )}
      {children}
    </section>
  );
}

/** What went wrong, beside what caused it. */
export const Problem = ({ text }: { readonly text: string | undefined }) =>
  text ? (
    <p class="problem" role="alert">
      {text}
    </p>
  ) : null;

/** A remark that is no error. */
export const Note = ({ children }: { readonly children: ComponentChildren }) => <p class="note">{children}</p>;

/** A bar that fills, or one that moves where nobody knows how long it takes. */
export function ProgressBar({ bar }: { readonly bar: Bar | undefined }) {
  if (!bar) return null;
  return (
    <div class="progress" role="status">
      <span>{bar.label}</span>
      <progress aria-label={bar.label} {...(bar.share !== undefined && { value: bar.share })} max={1} />
    </div>
  );
}

/** Whether something is being computed; its place is kept, so that nothing jumps. */
export const Busy = ({ when, children = 'computing…' }: { readonly when: boolean; readonly children?: string }) => (
  <span class={`busy ${when ? '' : 'idle'}`} role="status">
    {when ? children : ''}
  </span>
);

/** A number by a slider, with its value beside it. */
export function Slider({
  label,
  value,
  min,
  max,
  step,
  onInput,
}: {
  readonly label: string;
  readonly value: Signal<number>;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly onInput?: () => void;
}) {
  return (
    <label class="slider">
      <span>{label}</span>
      <input
        type="range"
        min={min}
        max={max}
        step={step}
        value={value.value}
        onInput={(event) => {
          value.value = event.currentTarget.valueAsNumber;
          onInput?.();
        }}
      />
      <output>{value.value}</output>
    </label>
  );
}

/** One of a few. */
export function Choice<T extends string | number>({
  label,
  value,
  options,
  onChange,
  disabled = false,
}: {
  readonly label: string;
  readonly value: T;
  readonly options: readonly (readonly [T, string])[];
  readonly onChange: (value: T) => void;
  readonly disabled?: boolean;
}) {
  return (
    <label class="choice">
      <span>{label}</span>
      <select
        disabled={disabled}
        value={String(value)}
        onChange={(event) => {
          const found = options.find(([option]) => String(option) === event.currentTarget.value);
          if (found) onChange(found[0]);
        }}
      >
        {options.map(([option, text]) => (
          <option key={option} value={String(option)}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** A text to be copied. */
export function Code({ text, label }: { readonly text: string; readonly label: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard?.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <div class="code">
      <header class="card-head">
        <h3>{label}</h3>
        <button type="button" class="small" aria-label={`Copy ${label}`} onClick={() => void copy()}>
          {copied ? 'Copied' : 'Copy'}
        </button>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, which a keyboard must reach. */}
      <section aria-label={label} tabIndex={0}>
        <pre>{text}</pre>
      </section>
    </div>
  );
}
