/** The stored cases of operators (`fixtures/ops/*.py`), as graphs. */
import { readdirSync } from 'node:fs';
import { gradient } from '../../src/autodiff/index.js';
import {
  type Attribute,
  type Attributes,
  type ConstantData,
  type DataType,
  float,
  floats,
  int,
  ints,
  isDifferentiable,
  string,
  type Tensor,
} from '../../src/graph/index.js';
import { createGraph } from '../../src/ops/index.js';
import { castConstant, type Fixture, readFixture } from './safetensors.js';

type StoredAttribute = {
  int?: number;
  float?: number;
  string?: string;
  ints?: number[];
  floats?: number[];
  strings?: string[];
};

/** An operator on given inputs, with PyTorch's outputs and gradients. */
export interface Case {
  op: string;
  name: string;
  attributes: Record<string, StoredAttribute>;
  inputs: ({ key: string; variable: boolean; fixed?: boolean } | null)[];
  outputs: string[];
  cotangents: (string | null)[];
  gradients: (string | null)[];
  smooth: boolean;
  double: boolean;
}

/** Every family of operators, by the name of its file. */
export const families = readdirSync(new URL('../../fixtures/data/ops', import.meta.url)).map((file) => ({
  file,
  fixture: readFixture<Case>(`ops/${file}`),
}));

function attributeOf(stored: StoredAttribute): Attribute {
  if (stored.int !== undefined) return int(stored.int);
  if (stored.float !== undefined) return float(stored.float);
  if (stored.string !== undefined) return string(stored.string);
  if (stored.strings) return { kind: 'strings', value: stored.strings };
  return stored.ints ? ints(stored.ints) : floats(stored.floats ?? []);
}

export const attributesOfCase = (test: Case): Attributes =>
  Object.fromEntries(Object.entries(test.attributes).map(([name, value]) => [name, attributeOf(value)]));

/**
 * The case as a graph: variables are inputs `input_i`, the loss is Σ⟨output, cotangent⟩.
 * @param fed Indices are inputs too, not constants.
 */
export function build(fixture: Fixture<Case>, test: Case, dtype: DataType, fed = false) {
  const graph = createGraph();
  const feeds: Record<string, ConstantData> = {};
  const variables: (Tensor | undefined)[] = [];
  const convert = (data: ConstantData, fixed?: boolean) =>
    data.dtype === 'float32' && !fixed ? castConstant(data, dtype) : data;
  const inputs = test.inputs.map((input, i) => {
    if (input === null) return undefined;
    const data = convert(fixture.tensor(input.key), input.fixed);
    if (!input.variable && !(fed && data.dtype === 'int64')) return graph.constant(data);
    feeds[`input_${i}`] = data;
    const given = graph.input(`input_${i}`, data.dtype, data.shape);
    if (input.variable) variables[i] = given;
    return given;
  });
  const outputs = graph.emit(test.op, inputs, attributesOfCase(test), { outputs: test.outputs.length });
  const terms = outputs.flatMap((output, i) => {
    const key = test.cotangents[i];
    return key && isDifferentiable(output.dtype)
      ? [
          output
            .mul(graph.constant(castConstant(fixture.tensor(key), output.dtype)))
            .cast(dtype)
            .sum(),
        ]
      : [];
  });
  const loss = terms.length > 0 ? terms.reduce((sum, term) => sum.add(term)) : undefined;
  return { graph, feeds, variables, outputs, loss };
}

/**
 * The case with outputs `output_i` and gradients `gradient_i`.
 * @param fed Indices are inputs too, not constants.
 */
export function withGradients(fixture: Fixture<Case>, test: Case, dtype: DataType, fed = false) {
  const { graph, feeds, variables, outputs, loss } = build(fixture, test, dtype, fed);
  const wrt = variables.flatMap((variable, i) => (variable && test.gradients[i] && loss ? [{ variable, i }] : []));
  const sought = wrt.map(({ variable }) => variable);
  const gradients = loss && wrt.length > 0 ? gradient(loss, sought) : [];
  for (const [i, output] of outputs.entries()) graph.output(`output_${i}`, output);
  for (const [i, tensor] of gradients.entries()) graph.output(`gradient_${wrt[i]?.i}`, tensor);
  return { graph, feeds, outputs, wrt: wrt.map(({ i }) => i) };
}
