"""What makes two configurations the same run."""

import copy
import random
from pathlib import Path

import pytest

from asva_lightning.errors import ConfigurationError
from asva_lightning.runs.identity import IGNORED, IGNORED_CLASSES, differences, run_hash

CONFIG = {
    "config": ["quickstart.yaml"],
    "seed_everything": 0,
    "run": {"name": "quickstart", "root": "runs", "folder": None, "fresh": False},
    "trainer": {
        "accelerator": "cpu",
        "devices": 1,
        "precision": "32-true",
        "max_steps": 100,
        "callbacks": [{"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": {"every_n": 5}}],
    },
    "model": {"learning_rate": 1e-4, "betas": [0.9, 0.999], "ema": True, "denoiser": {"class_path": "UNet"}},
    "data": {"batch_size": 64, "workers": 4, "shards": "shards/synth"},
}


def changed(key, value):
    config = copy.deepcopy(CONFIG)
    *path, last = key.split(".")
    place = config
    for name in path:
        place = place.setdefault(name, {})
    place[last] = value
    return config


def test_a_hash_is_short_and_stable():
    assert run_hash(CONFIG) == "74d9807c"


@pytest.mark.parametrize("key", IGNORED)
def test_what_is_in_the_table_does_not_count(key):
    for value in (7, {"class_path": "Other", "init_args": {"a": 1}}):
        assert run_hash(changed(key, value)) == run_hash(CONFIG)
        assert differences(CONFIG, changed(key, value)) == []


def test_every_ignored_key_has_its_reason():
    assert all(reason for reason in [*IGNORED.values(), *IGNORED_CLASSES.values()])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed_everything", 1),
        ("trainer.precision", "bf16-mixed"),
        ("trainer.gradient_clip_val", 1.0),
        ("model.learning_rate", 2e-4),
        ("model.betas", [0.999, 0.9]),
        ("model.ema", 1),
        ("data.batch_size", 32),
        ("data.workers_of_the_world", 2),
        ("model.schedule", {"class_path": "Cosine", "init_args": {"steps": 100}}),
    ],
)
def test_what_changes_learning_counts(key, value):
    assert run_hash(changed(key, value)) != run_hash(CONFIG)
    assert all(difference[0].startswith(key) for difference in differences(CONFIG, changed(key, value)))
    assert differences(CONFIG, changed(key, value))


@pytest.mark.parametrize(("key", "value"), [("model.learning_rate", "1e-4"), ("data.batch_size", 64.0)])
def test_the_way_a_number_is_written_does_not_matter(key, value):
    assert run_hash(changed(key, value)) == run_hash(CONFIG)


def test_the_order_of_keys_does_not_matter():
    def shuffled(tree):
        if not isinstance(tree, dict):
            return tree
        keys = list(tree)
        random.Random(1).shuffle(keys)
        return {key: shuffled(tree[key]) for key in keys}

    assert list(shuffled(CONFIG)) != list(CONFIG)
    assert run_hash(shuffled(CONFIG)) == run_hash(CONFIG)


def test_an_option_that_is_off_leaves_the_name():
    assert run_hash(changed("model.new_option", None)) == run_hash(CONFIG)


def test_paths_and_tuples_are_as_good_as_texts_and_lists():
    assert run_hash(changed("data.shards", Path("shards/synth"))) == run_hash(CONFIG)
    assert run_hash(changed("model.betas", (0.9, 0.999))) == run_hash(CONFIG)


def test_callbacks_that_watch_do_not_count_and_others_do():
    watching = [{"class_path": "asva_lightning.training.callbacks.samples.Samples", "init_args": {"every": 9}}]
    assert run_hash(changed("trainer.callbacks", watching)) == run_hash(CONFIG)
    assert run_hash(changed("trainer.callbacks", watching[0])) == run_hash(CONFIG)
    assert run_hash(changed("trainer.callbacks", None)) == run_hash(CONFIG)
    changing = [*watching, {"class_path": "mine.NoisyWeights", "init_args": {"every": 9}}]
    assert differences(CONFIG, changed("trainer.callbacks", changing)) == [
        ("trainer.callbacks.0.class_path", None, "mine.NoisyWeights"),
        ("trainer.callbacks.0.init_args.every", None, 9),
    ]
    environment = {"class_path": "lightning.pytorch.plugins.environments.SLURMEnvironment"}
    assert run_hash(changed("trainer.plugins", environment)) == run_hash(CONFIG)


def test_a_data_module_given_by_class_is_looked_through():
    def by_class(workers):
        return {**CONFIG, "data": {"class_path": "Mine", "init_args": {"workers": workers, "batch_size": 2}}}

    assert run_hash(by_class(1)) == run_hash(by_class(2))


def test_differences_give_the_values_of_both():
    other = changed("model.learning_rate", 0.5)
    other["model"]["weighting"] = "onsets"
    assert differences(CONFIG, other) == [("model.learning_rate", 1e-4, 0.5), ("model.weighting", None, "onsets")]


def test_a_value_that_is_no_plain_value_is_refused():
    with pytest.raises(ConfigurationError, match=r"model\.ema is a object; the name of a run is made of plain values"):
        run_hash(changed("model.ema", object()))
