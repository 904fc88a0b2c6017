"""The table and the plot over the scale of guidance say what their numbers depend on."""

from asva_lightning.evaluation.guidance_curve import guidance_table, write_guidance_curve
from asva_lightning.evaluation.results import Results

LEGACY = "--sound scrambled: stereo sound scrambled as by the original reader"


def results(scale, **facts):
    of_scale = {"clips": 2, "frames": 12, "size": "32x32", "seed": 7, "guidance": f"audio {scale}", **facts}
    return Results({"psnr": {"a": 1.0, "b": 2.0}}, {"a": "drum", "b": "drum"}, of_scale)


def test_facts_that_all_scales_share_are_above_the_table():
    table = guidance_table({scale: results(scale, **{"weights of judge": "12ab"}) for scale in (1.0, 4.0)}).splitlines()
    assert table[:2] == ["frames 12, size 32x32, seed 7, weights of judge 12ab", ""]
    assert [line.split("|")[1].strip() for line in table[2:]] == ["guidance", "--------", "1", "4"]


def test_what_the_original_did_by_mistake_is_named_once(tmp_path):
    table = write_guidance_curve(tmp_path, {scale: results(scale, legacy=LEGACY) for scale in (4.0, 1.0)})
    assert table.splitlines()[2:4] == [f"Legacy, to be compared with published numbers only: {LEGACY}.", ""]
    assert table.count("Legacy") == 1
    assert (tmp_path / "guidance.md").read_text() == table + "\n"
    assert "legacy: see guidance.md" in (tmp_path / "guidance.svg").read_text()


def test_without_facts_there_is_the_table_alone(tmp_path):
    plain = {scale: Results({"psnr": {"a": 1.0}}, {"a": "drum"}) for scale in (1.0, 4.0)}
    assert write_guidance_curve(tmp_path, plain).startswith("| guidance |")
    assert "legacy" not in (tmp_path / "guidance.svg").read_text()
