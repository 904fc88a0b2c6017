"""What a sweep file may hold, and what is said where it may not."""

import json

import pytest
import yaml

from asva_lightning.errors import ConfigurationError
from asva_lightning.studies.sweep_file import read_sweep

GOOD = {"base": "recipe.yaml", "differences": {"base": {}}, "seeds": [0, 1]}


@pytest.fixture
def write(tmp_path):
    for name in ("recipe.yaml", "overlay.yaml"):
        (tmp_path / name).write_text("{}\n")

    def write(content, name="method.yaml"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
        return path

    return write


def test_differences_are_settings_overlays_or_lists_of_them(write, tmp_path):
    differences = {
        "base": {},
        "overlay": "overlay.yaml",
        "both": ["overlay.yaml", {"model.init_args.audio_drop": 0.5, "model.class_path": "A"}],
    }
    sweep = read_sweep(write({**GOOD, "differences": differences, "settings": {"trainer.max_steps": 3}}))
    overlay = f"--config={tmp_path / 'overlay.yaml'}"
    base, only_overlay, both = sweep.differences
    assert (base.words, base.text) == ((), "the base itself")
    assert (only_overlay.words, only_overlay.text) == ((overlay,), "overlay.yaml")
    assert both.words[0] == overlay
    tree = json.loads(both.words[1].removeprefix("--config="))
    assert tree == {"model": {"init_args": {"audio_drop": 0.5}, "class_path": "A"}}
    assert both.text == "overlay.yaml, model.init_args.audio_drop=0.5, model.class_path=A"
    assert json.loads(sweep.settings[0].removeprefix("--config=")) == {"trainer": {"max_steps": 3}}
    assert (sweep.name, sweep.base, sweep.seeds) == ("method", (f"--config={tmp_path / 'recipe.yaml'}",), (0, 1))


def test_paths_of_the_current_folder_come_first(write, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "recipe.yaml").write_text("{}\n")
    monkeypatch.chdir(tmp_path / "here")
    assert read_sweep(write(GOOD)).base == ("--config=recipe.yaml",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"difference": {}}, "there is no key 'difference' in a sweep. It may have: base, differences"),
        ({"base": None}, "`base` must name a recipe"),
        ({"base": ["recipe.yaml", "none.yaml"]}, "base: none.yaml does not exist, neither here nor beside the sweep"),
        ({"differences": None}, "either `differences` or `grid`, not neither"),
        ({"grid": {"data.flip": [0]}}, "either `differences` or `grid`, not both"),
        ({"differences": {}}, "`{}` stands for the base itself"),
        ({"differences": {"a": None}}, "differences.a must map dotted settings to values"),
        ({"differences": {"a": 3}}, "differences.a must map dotted settings to values"),
        ({"differences": {"a": "none.yaml"}}, "differences.a: none.yaml does not exist"),
        ({"differences": {"a": {"seed_everything": 3}}}, "differences.a sets seed_everything, which `seeds` does"),
        ({"differences": {"a\nb": {}}}, "cannot name a row"),
        ({"differences": {"a": {"data": {}, "data.flip": 0}}}, "data is given as a whole, and data.flip too"),
        (
            {"differences": {"a": {"data.flip": 0}}, "settings": {"data.flip": 1}},
            "differences.a sets data.flip, which `settings` lays over every row",
        ),
        ({"differences": None, "grid": {}}, "`grid` must map dotted settings to lists"),
        ({"differences": None, "grid": {"data.flip": []}}, "grid.data.flip must be a list of at least one value"),
        ({"differences": None, "grid": {"data.flip": 0}}, "grid.data.flip must be a list of at least one value, not 0"),
        ({"seeds": []}, "`seeds` must be a list of at least one whole number"),
        ({"seeds": 3}, "`seeds` must be a list of at least one whole number, not 3"),
        ({"seeds": [True]}, "`seeds` must be a list of at least one whole number"),
        ({"seeds": [0, 1, 0]}, "`seeds` has 0 twice"),
        ({"test": "yes please"}, "`test` must be true or false, not 'yes please'"),
        ({"scores": "test/loss"}, "`scores` must be a list of names, such as test/loss"),
        ({"scores": ["a", "a"]}, "`scores` has a twice"),
        ({"settings": ["data.flip"]}, "settings must map dotted settings to values"),
        ({"settings": {"seed_everything": 1}}, "settings sets seed_everything"),
    ],
)
def test_what_cannot_work_is_one_error_that_names_file_and_key(write, change, message):
    content = {key: value for key, value in (GOOD | change).items() if value is not None}
    with pytest.raises(ConfigurationError) as caught:
        read_sweep(write(content))
    assert "method.yaml: " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: a\ndifferences:\n  a: {}\n  a: {data.flip: 0}\n", "line 4: 'a' is given twice"),
        ("base: [a\n", "line 2: "),
        ("- base\n", "a sweep has the keys base, differences, grid"),
        ("", "a sweep has the keys"),
    ],
)
def test_a_file_that_says_something_else_is_refused(write, text, message):
    with pytest.raises(ConfigurationError, match="method.yaml: ") as caught:
        read_sweep(write(text))
    assert message in str(caught.value)


def test_a_missing_file_and_a_name_that_is_no_folder_are_refused(write, tmp_path):
    with pytest.raises(ConfigurationError, match="nothing.yaml: this sweep file does not exist"):
        read_sweep(tmp_path / "nothing.yaml")
    with pytest.raises(ConfigurationError, match="cannot name a folder of results"):
        read_sweep(write(GOOD, "my sweep.yaml"))
