/** The modules of a model with check boxes: what is checked is hooked. */
import { type ModuleCall, type ModuleTree, moduleTree } from 'globalperc';
import { useMemo } from 'preact/hooks';
import { byClass, type Loaded } from './model.js';
import { type Checked, checkedOf, leavesBelow, type Selection, toggled } from './selection.js';

interface Props {
  readonly loaded: Loaded;
  readonly selected: Selection;
  /** Calls that may be hooked at all. */
  readonly free: Selection;
  readonly onChange: (selected: Selection) => void;
}

/** From this many modules on, containers are closed at first. */
const MANY = 40;

/** A check box that knows a third state. */
function TriState({
  checked,
  label,
  disabled,
  onChange,
}: {
  readonly checked: Checked;
  readonly label: string;
  readonly disabled: boolean;
  readonly onChange: () => void;
}) {
  return (
    <input
      type="checkbox"
      aria-label={label}
      checked={checked === 'all'}
      disabled={disabled}
      ref={(element) => {
        if (element) element.indeterminate = checked === 'some';
      }}
      onChange={onChange}
    />
  );
}

/** One module, with those in it. */
function Branch({
  module,
  props,
  open,
}: {
  readonly module: ModuleTree;
  readonly props: Props;
  readonly open: boolean;
}) {
  const { selected, free, onChange } = props;
  const calls = leavesBelow(module).filter((call) => free.has(call));
  const repeated = module.calls.length > 1 ? ` × ${module.calls.length}` : '';
  const row = (
    <>
      <TriState
        checked={checkedOf(calls, selected)}
        label={`${module.path || module.class} (${module.class})`}
        disabled={calls.length === 0}
        onChange={() => onChange(toggled(calls, selected))}
      />
      <span class="module-name">{module.name || '–'}</span>
      <span class="module-class">
        {module.class}
        {repeated}
      </span>
    </>
  );
  if (module.children.length === 0) return <li class={calls.length === 0 ? 'leaf off' : 'leaf'}>{row}</li>;
  return (
    <li>
      <details open={open}>
        <summary>{row}</summary>
        <ul>
          {module.children.map((child) => (
            <Branch key={child.path} module={child} props={props} open={open} />
          ))}
        </ul>
      </details>
    </li>
  );
}

/** Calls whose module has no name in the file: a check box for each class of them. */
function Unnamed({ calls, props }: { readonly calls: readonly ModuleCall[]; readonly props: Props }) {
  const { selected, free, onChange } = props;
  return (
    <>
      {[...byClass(calls.filter((call) => free.has(call)))].map(([name, own]) => (
        <li key={name} class="leaf">
          <TriState
            checked={checkedOf(own, selected)}
            label={`${name}, without a name`}
            disabled={false}
            onChange={() => onChange(toggled(own, selected))}
          />
          <span class="module-name">–</span>
          <span class="module-class">
            {name} × {own.length}
          </span>
        </li>
      ))}
    </>
  );
}

/** A button for each class: all of its modules, or none. */
function Classes({ loaded, selected, free, onChange }: Props) {
  const classes = [...byClass(loaded.leaves.filter((call) => free.has(call)))];
  if (classes.length < 2) return null;
  return (
    <div class="chips">
      {classes.map(([name, calls]) => {
        const checked = checkedOf(calls, selected);
        return (
          <button
            key={name}
            type="button"
            class={`chip ${checked}`}
            aria-pressed={checked === 'some' ? 'mixed' : checked === 'all'}
            onClick={() => onChange(toggled(calls, selected))}
          >
            {name} <span>{calls.length}</span>
          </button>
        );
      })}
    </div>
  );
}

export function ModulePicker(props: Props) {
  const tree = useMemo(() => moduleTree(props.loaded.model.calls), [props.loaded]);
  const unnamed = props.loaded.leaves.filter(({ path }) => path === '');
  return (
    <>
      <Classes {...props} />
      <ul class="module-tree">
        {tree.map((module) => (
          <Branch key={module.path} module={module} props={props} open={props.loaded.leaves.length < MANY} />
        ))}
        <Unnamed calls={unnamed} props={props} />
      </ul>
    </>
  );
}
