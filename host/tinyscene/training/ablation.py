"""The table of ablations that a bundle's folder may hold, as a model card and docs/RESULTS.md show it.

`tinyscene experiment run TABLE --json` writes it, for a table with a reference row.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tinyscene.bundle import Bundle
from tinyscene.errors import BundleError
from tinyscene.evaluation import SCORES, comparison

FILE = "ablation.json"
FULL = "full"  # scale of a row whose networks were not made smaller
_REMEDY = "write it again with `tinyscene experiment run TABLE --json`, or delete it"


def read(folder: Path, bundle: Bundle) -> list[dict[str, Any]]:
    """Return the results of a table's rows that are kept in a bundle's folder; none if there is no table.

    Raises:
        BundleError: the file is damaged, has no reference row, or was made from other clips than the bundle.
    """
    path = folder / FILE
    if not path.exists():
        return []
    try:
        results: list[dict[str, Any]] = json.loads(path.read_bytes())
        prints = {result["data_fingerprint"] for result in results}
        "\n".join(lines(results))  # reads all that is shown
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise BundleError(f"{path} is not a table with a reference row ({error!r}); {_REMEDY}") from error
    if prints != {bundle.provenance.get("data_fingerprint")}:
        raise BundleError(f"{path} is from other clips than the bundle in its folder; {_REMEDY}")
    return results


def lines(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield Markdown: a description of the table, then its rows with their paired differences from the reference."""
    first = results[0]
    names = {result["row"]: result["title"] for result in results}
    reference = names[first["reference"]]
    yield (
        f"{first['table_title']}. {'INT8' if first['scored'] == 'int8' else 'Float'}, {first['test_clips']} clips of "
        f"{first['data_set']}, all folds pooled and calibrated. Differences are from the row `{reference}`, clip by "
        "clip, with 95 % intervals over locations; of such intervals one in twenty excludes zero by chance. Written by "
        f"`tinyscene experiment run {first['table']} --data {first['data_set']} --json {FILE}`.\n"
    )
    scaled = any(result["scale"] != FULL for result in results)
    columns = [*SCORES.values(), *(f"{name}, difference" for name in SCORES.values()), *(["scale"] if scaled else [])]
    yield f"| row | {' | '.join(columns)} |"
    yield "|---" + "|---:" * len(columns) + "|"
    for result in results:
        cells = [comparison.shown(score, result[score]) for score in SCORES]
        cells += [comparison.paired_cell(result["compared"], score) for score in SCORES]
        yield f"| {result['title']} | {' | '.join([*cells, *([result['scale']] if scaled else [])])} |"
