"""docs/measures.md names what there is."""

import importlib
import re
from pathlib import Path

from asva_lightning.metrics import legacy
from asva_lightning.weights import known_weights

PAGE = (Path(__file__).parents[2] / "docs" / "measures.md").read_text(encoding="utf-8")


def test_every_named_class_exists_and_judges_clips_or_sets():
    rows = re.findall(r"^\| [^|]+ \| `(\w+)\.(\w+)` \|", PAGE, flags=re.M)
    assert len(rows) == 12
    for module, name in rows:
        measure = getattr(importlib.import_module(f"asva_lightning.metrics.{module}"), name)
        assert hasattr(measure, "measure") != (hasattr(measure, "features") and hasattr(measure, "distance")), name


def test_every_class_path_and_every_key_of_weights_exists():
    for module, name in re.findall(r"class_path: (asva_lightning[\w.]+)\.(\w+)", PAGE):
        assert hasattr(importlib.import_module(module), name), name
    keys = re.findall(r"\(`(\w+)`\)", PAGE)
    assert len(keys) == 6
    assert set(keys) <= set(known_weights())


def test_everything_that_is_legacy_is_named():
    named = {name for name, thing in vars(legacy).items() if isinstance(thing, type) and hasattr(thing, "legacy")}
    rows = re.findall(r"^\| (`.*?) \|", PAGE.partition("beside published ones")[2], flags=re.M)
    assert named == set(re.findall(r"`(\w+?)(?:\(measure\))?`", " ".join(rows)))
