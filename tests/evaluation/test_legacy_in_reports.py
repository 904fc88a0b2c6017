"""What is done as the original did by mistake is named in every report."""

import json

import pytest
from systems import FORMAT, STARTS, WORDS, true_files, write_system

from asva_lightning.cli import main
from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.judging import PairJudge
from asva_lightning.evaluation.measures import PanelDescription
from asva_lightning.metrics.legacy import ScrambledSound, read_back

KEY = "hammering/clip3_000010_000020-3_5_6_5"
LOUDNESS = {"class_path": "judges_for_tests.Loudness"}
READ_BACK = {"class_path": "asva_lightning.metrics.legacy.ReadBackSound", "init_args": {"measure": LOUDNESS}}
LINE = (
    "Legacy, to be compared with published numbers only: --sound scrambled: stereo sound scrambled as by the original "
    "reader; coded: samples' sound read back from AAC at 16 kHz."
)


def test_scrambled_sound_is_what_is_judged_and_is_named(clip_folder, tmp_path, capsys):
    system, output = write_system(clip_folder, tmp_path / "system", brighter=10), tmp_path / "results.json"
    (tmp_path / "judges.yaml").write_text(json.dumps({"judges": {"coded": READ_BACK, "loudness": LOUDNESS}}))
    words = [f"--generated={system}", f"--reference={clip_folder}", f"--output={output}", *WORDS, "--measures=[]"]
    main(["evaluate", *words, "--sound=scrambled", f"--config={tmp_path / 'judges.yaml'}"])
    results = json.loads(output.read_text())
    truth = next(file for file in true_files(clip_folder) if file.parent.name == "hammering")
    for number, start in enumerate(STARTS):
        heard = ScrambledSound()(truth, start, FORMAT.seconds)
        values = {name: results["values"][name][f"{KEY}_clip-{number:02d}"] for name in ("loudness", "coded")}
        assert values["loudness"] == pytest.approx(float(heard.abs().max()))
        assert values["coded"] == pytest.approx(float(read_back(heard, 16_000).abs().max())), "coded once, not twice"
    assert LINE in capsys.readouterr().out.splitlines()
    assert LINE in output.with_suffix(".md").read_text().splitlines()
    assert results["facts"]["legacy"] in LINE
    main(["report", str(output), str(output)])
    assert capsys.readouterr().out.count(LINE) == 2


def test_sound_that_was_coded_already_is_not_coded_again():
    panel = PanelDescription.of([], {"coded": READ_BACK})
    with pytest.raises(ConfigurationError, match=r"coded codes the sound of the true clip .* Set --sound scrambled"):
        PairJudge(FORMAT, panel)
    assert list(PairJudge(FORMAT, panel, "reference").legacy) == ["coded"]
    assert PairJudge(FORMAT, PanelDescription.of(["psnr"])).legacy == {}


def test_the_shift_test_names_it_too(clip_folder, tmp_path, capsys):
    judges = json.dumps({"coded": READ_BACK})
    main(["evaluate", "--shift-test", f"--reference={clip_folder}", f"--output={tmp_path / 's.json'}", *WORDS,
          "--measures=[]", f"--judges={judges}"])  # fmt: skip
    assert "Legacy: coded: samples' sound read back from AAC at 16 kHz." in capsys.readouterr().out.splitlines()
