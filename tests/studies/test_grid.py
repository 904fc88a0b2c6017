"""Rows of a grid are named by their values."""

import pytest

from asva_lightning.errors import ConfigurationError
from asva_lightning.studies.grid import expand

TARGET = "model.init_args.objective.init_args.target"


def test_the_product_is_named_by_its_values_and_the_last_setting_changes_fastest():
    rows = expand({"model.init_args.audio_drop": [0.0, 1e-4], "data.batch_size": [2, 4]})
    assert list(rows) == [
        "audio_drop=0.0,batch_size=2",
        "audio_drop=0.0,batch_size=4",
        "audio_drop=0.0001,batch_size=2",
        "audio_drop=0.0001,batch_size=4",
    ]
    assert rows["audio_drop=0.0001,batch_size=2"] == {"model.init_args.audio_drop": 1e-4, "data.batch_size": 2}


def test_classes_nothing_and_words_have_short_names():
    weighting = {"class_path": "a.b.Weighting", "init_args": {"strength": 2.0}}
    assert list(expand({TARGET: [{"class_path": "a.b.Clean"}, weighting, None, "Clip", True]})) == [
        "target=Clean", "target=Weighting(strength=2.0)", "target=null", "target=Clip", "target=true",
    ]  # fmt: skip


def test_settings_of_one_name_are_told_apart_by_what_they_lie_in():
    rows = expand({"model.init_args.codec.init_args.channels": [4], "model.init_args.audio.channels": [8]})
    assert list(rows) == ["codec.channels=4,audio.channels=8"]


def test_a_value_that_is_given_twice_is_refused():
    with pytest.raises(ConfigurationError, match="two rows of the grid are called 'flip=0.5'. Remove the value"):
        expand({"data.flip": [0.5, 0.5]})
