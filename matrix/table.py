"""MODELS.md from the results of the single runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

from failures import FAILURES
from precision import DRAWS, ROUNDING

HEADER = """# Models

Architectures with random weights, exported by both exporters of torch.onnx, some rewritten by onnxslim or onnxsim,
stripped of all names, or exported by Optimum (optimum-onnx 0.1.0, transformers 4.57); made by `matrix/matrix.py` ({versions}).

- **hooks**: leaf module calls found in the file / those that PyTorch's `register_forward_hook` records, with the same path,
  order and shape; a module with several paths may have any of them. Dropout, Identity, a BatchNorm merged into its
  convolution and, by onnxslim, a LayerScale into its Linear are not counted: they do nothing any more. Neither are calls that are not in the file for a reason that was
  measured in PyTorch; the row names it and them:
  - *same output for every image*: equal in every bit for two images, and computed by the exporter: its loss is always 0
    (where the nodes are in the file, the call is found and counted);
  - *without effect on the model's output*: noise in its place changes no bit of what the model returns, and the exporter
    left it out;
  - *repeats of another call on equal inputs*: same class, weights, inputs and output as a call that was found;
  - *found without the name of a container that is never called*: nothing in the file names that container.

  *without* lists what is missing for no such reason, *also* what was found and PyTorch does not count; *in place of its
  children, which do nothing*, is a module whose only children are such as Identity.
- **loss**, **gradient**: relative error against the original loss in PyTorch, float64, with hooks on all of these calls:
  first `NormalizedTensorLoss('l2')` (cosine), then plain `l2`. Passed: all four at most {tolerance:g}, and the hooks the
  same, except that files stripped of names may have fewer.
- **noise**: the same error of PyTorch's own float32 gradient.
- A row that **failed** says why. Where a gradient is off, two figures tell a wrong rule from the limits of float32: the error
  of the same compiled file calculated in float64 throughout, and how far PyTorch's float64 gradient moves, at most in
  {draws} draws, when the outputs of layers with weights change by {rounding:g} of their root mean square, as rounding to
  float32 changes them. A max-pooling or ReLU that two values divide nearly evenly decides on such a change.
- **s**: seconds of one `globalperc loss --grad`: load, compile, run.

{passed} of {total} files pass ({share:.1f} %), {architectures} architectures.

| architecture | source | style | hooks | loss | gradient | noise | s | |
| --- | --- | --- | --: | --: | --: | --: | --: | --- |
"""


def write_table(path: Path, work: Path, styles: dict[str, tuple], sources: dict[str, str], tolerance: float, versions: str) -> None:
    rows, total, passed = [], 0, 0
    for name, names in styles.items():
        for style in names:
            file = work / re.sub(r"\W+", "-", name).strip("-").lower() / f"{style}.json"
            if not file.exists():
                continue
            result = json.loads(file.read_text())
            good = verdict(result, tolerance, style)
            if "unavailable" not in result:
                total, passed = total + 1, passed + (good == "passed")
            rows.append(f"| {name} | {sources[name]} | {style} | {cells(result)} | {good if good == 'passed' else f'**{good}**'}{why(name, result) if good == 'failed' else ''}{remark(result)} |")
    share = 100 * passed / max(1, total)
    head = HEADER.format(versions=versions, tolerance=tolerance, passed=passed, total=total, share=share, architectures=len(styles), draws=DRAWS, rounding=ROUNDING)
    path.write_text(head + "\n".join(rows) + "\n")
    print(f"{path.name}: {passed} of {total} pass ({share:.1f} %)")


def verdict(result: dict, tolerance: float, style: str) -> str:
    if "unavailable" in result:
        return "not exported"
    if "error" in result:
        return "failed"
    errors = [result[f"{label} {what}"] for label in ("cosine", "difference") for what in ("loss", "gradient")]
    same_hooks = style == "stripped" or (not result["missing"] and "" not in result["extra"])
    return "passed" if max(errors) <= tolerance and result["order"] and same_hooks else "failed"


def cells(result: dict) -> str:
    hooks = f"{result['found']}/{result['expected']}" if "found" in result else "–"
    if "difference gradient" not in result:
        return f"{hooks} | – | – | – | –"
    pair = lambda what: f"{result[f'cosine {what}']:.0e}, {result[f'difference {what}']:.0e}"
    return f"{hooks} | {pair('loss')} | {pair('gradient')} | {pair('noise')} | {result['cosine seconds']:.1f}"


def why(name: str, result: dict) -> str:
    """The reason of a failure in prose, and what was measured of float32's limits."""
    if "error" in result:
        return ""
    reason = FAILURES.get(name, "no reason found yet")
    figures = [
        f"{kind}: {result[f'{label} in float64']:.0e} in float64, PyTorch's moves by {max(result[f'{label} shaken']):.0e}"
        for label, kind in (("cosine", "cosine"), ("difference", "plain l2"))
        if f"{label} in float64" in result
    ]
    return ": " + "; ".join([reason, *figures])


def remark(result: dict) -> str:
    reason = result.get("unavailable") or result.get("error")
    if reason:
        plain = re.sub(r"\x1b\[\d*m", "", reason)
        return ": " + plain.replace("|", "\\|").replace("\n", " ")[:200]
    apart = [f"{reason}: {some(calls)}" for reason, calls in result.get("apart", {}).items()]
    extra = [f"also {some(calls)}{f', {reason}' if reason else ''}" for reason, calls in result.get("extra", {}).items()]
    missing = [f"without {some(result['missing'])}"] if result.get("missing") else []
    return "".join(f"; {part}" for part in [*missing, *apart, *extra])


def some(calls: list[str]) -> str:
    return f"{', '.join(calls[:3])}{f' and {len(calls) - 3} more' if len(calls) > 3 else ''}"
