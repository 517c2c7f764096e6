"""MODELS.md from the results of the single runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

HEADER = """# Models

Architectures with random weights, exported by both exporters of torch.onnx, some rewritten by onnxslim or onnxsim,
stripped of all names, or exported by Optimum; made by `matrix/matrix.py` ({versions}).

- **hooks**: leaf module calls found in the file / those that PyTorch's `register_forward_hook` records, with the same path,
  order and shape. Dropout, Identity and a BatchNorm merged into its convolution are not counted: they do nothing any more.
- **loss**, **gradient**: relative error against the original loss in PyTorch, float64, with hooks on all of these calls:
  first `NormalizedTensorLoss('l2')` (cosine), then plain `l2`. Passed: all four at most {tolerance:g}.
- **noise**: the same error of PyTorch's own float32 gradient.
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
            good = verdict(result, tolerance)
            if "unavailable" not in result:
                total, passed = total + 1, passed + (good == "passed")
            rows.append(f"| {name} | {sources[name]} | {style} | {cells(result)} | {good if good == 'passed' else f'**{good}**'}{remark(result)} |")
    share = 100 * passed / max(1, total)
    head = HEADER.format(versions=versions, tolerance=tolerance, passed=passed, total=total, share=share, architectures=len(styles))
    path.write_text(head + "\n".join(rows) + "\n")
    print(f"{path.name}: {passed} of {total} pass ({share:.1f} %)")


def verdict(result: dict, tolerance: float) -> str:
    if "unavailable" in result:
        return "not exported"
    if "error" in result:
        return "failed"
    errors = [result[f"{label} {what}"] for label in ("cosine", "difference") for what in ("loss", "gradient")]
    return "passed" if max(errors) <= tolerance and result["order"] else "failed"


def cells(result: dict) -> str:
    hooks = f"{result['found']}/{result['expected']}" if "found" in result else "–"
    if "difference gradient" not in result:
        return f"{hooks} | – | – | – | –"
    pair = lambda what: f"{result[f'cosine {what}']:.0e}, {result[f'difference {what}']:.0e}"
    return f"{hooks} | {pair('loss')} | {pair('gradient')} | {pair('noise')} | {result['cosine seconds']:.1f}"


def remark(result: dict) -> str:
    reason = result.get("unavailable") or result.get("error")
    if reason:
        return ": " + reason.replace("|", "\\|").replace("\n", " ")[:200]
    missing = result.get("missing", [])
    count = result["expected"] - result["found"]
    return f"; without {', '.join(missing[:3])}{f' and {count - 3} more' if count > 3 else ''}" if missing else ""
