"""The page on which to watch clips of a data set."""

import json
import re

import pytest
from page_helpers import browse

import asva_lightning.data.preview as preview_module
from asva_lightning.cli import main
from asva_lightning.data import MediaFolder, build
from asva_lightning.data.manifest import Dataset, write_split
from asva_lightning.pages.strip import strip

EVIL = "<script>document.documentElement.dataset.evil = 1</script> & \"quotes' </script>"


def preview(*words, code=0):
    """Run the command; the exit code is checked."""
    try:
        main(["shards", "preview", *map(str, words)])
        ended = 0
    except SystemExit as stopped:
        ended = stopped.code
    assert ended == code


@pytest.fixture(scope="module")
def built(clip_folder, tmp_path_factory):
    """Shards one of whose clips is garbage and another has a text that wants to run."""
    folder = build(MediaFolder(str(clip_folder)), tmp_path_factory.mktemp("preview") / "clips").output
    samples = Dataset.open(folder).samples("train")
    with (folder / samples[0].shard).open("r+b") as file:
        file.seek(samples[0].offset)
        file.write(b"\xa5" * samples[0].size)
    changed = [vars(sample) | {"text": EVIL} if number == 4 else vars(sample) for number, sample in enumerate(samples)]
    write_split(folder, "train", [type(samples[0])(**values) for values in changed])
    return folder, samples


@pytest.fixture(scope="module")
def page(built, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "preview.html"
    preview(built[0], path, "--clips_per_class=3", "--height=48", code=1)
    return path


def test_the_page_shows_clips_of_each_class(page, built):
    content, (_, samples) = page.read_text(), built
    assert "9 clips of 3 classes in train; 8 of them are shown" in content
    assert re.findall(r'<h2 id="class-\d">(.*)</h2>', content) == ["dog_barking", "hammering", "striking_bowling"]
    assert content.count("<video") == content.count('src="data:video/mp4;base64,') == 8
    assert content.count('src="data:image/webp;base64,') == 8
    for sample in samples[1:]:
        assert f"{sample.key} · 3.0 s, 64x48, 12 frames a second, h264" in content
    assert f"<li>{samples[0].key} in {samples[0].address}: cannot be read: Invalid data" in content


def test_the_page_is_one_file_that_needs_no_network(page):
    content = page.read_text()
    assert [path.name for path in page.parent.iterdir()] == ["preview.html"]
    assert not re.search(r"(src|href)=\"(?!data:|#)|@import|url\(", content)
    assert EVIL not in content
    assert content.count("</script>") == 2


def test_fewer_clips_and_another_split_may_be_asked_for(built, tmp_path, monkeypatch, capsys):
    drawn = []
    monkeypatch.setattr(preview_module, "strip", lambda *said: [drawn.append(said[5]), strip(*said)][1])
    preview(built[0], tmp_path / "p.html", "--split=test", "--clips_per_class=1", "--height=32")
    assert len(drawn) == 3
    assert 0.0001 < max(map(max, drawn)) < 1.0, "motion has the unit of motion_curve"
    assert capsys.readouterr().out == f"{tmp_path / 'p.html'}\n"
    assert (tmp_path / "p.html").read_text().count("<video") == 3


def test_an_interrupted_page_is_continued(built, tmp_path, monkeypatch, capsys):
    made, clip = [], preview_module._clip

    def until_the_third(sample, *more):
        made.append(sample.key)
        if len(made) == 3:
            raise KeyboardInterrupt
        return clip(sample, *more)

    monkeypatch.setattr(preview_module, "_clip", until_the_third)
    words = built[0], tmp_path / "p.html", "--clips_per_class=1", "--height=32", "--split=test"
    preview(*words, code=130)
    preview(*words)
    assert "interrupted: clips for" in (said := capsys.readouterr().err)
    assert "2 of 3, 0 failed. The same command continues.\n" in said
    assert made == [*dict.fromkeys(made), made[2]], "only the clip that was under way is made twice"
    assert [path.name for path in tmp_path.iterdir()] == ["p.html"]
    assert (tmp_path / "p.html").read_text().count("<video") == 3


def test_wrong_words_are_refused(built, tmp_path, capsys):
    preview(built[0], tmp_path / "p.html", "--split=check", code=1)
    assert "has no split 'check', only train, test" in capsys.readouterr().err
    preview(built[0], tmp_path / "p.html", "--clips_per_class=0", code=1)
    assert "--clips_per_class must be at least 1 and --height at least 16" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.browser
def test_a_browser_plays_the_clips_and_moves_the_line(page, tmp_path):
    script = """
    const done = [];
    for (const card of document.querySelectorAll(".clip")) {
      const video = card.querySelector("video");
      video.addEventListener("loadedmetadata", () => { video.currentTime = 1.5; });
      video.addEventListener("seeked", () => {
        done.push([video.duration, parseFloat(card.querySelector(".line i").style.left)]);
        document.documentElement.dataset.seen = JSON.stringify(done);
      });
    }"""
    driven = tmp_path / "driven.html"
    driven.write_text(page.read_text().replace("</body>", f"<script>{script}</script></body>"))
    document, said = browse(driven, milliseconds=15_000)  # a busy machine seeks slowly
    root = dict(re.findall(r'([\w-]+)="([^"]*)"', document[: document.index(">", document.index("<html"))]))
    assert root["data-errors"] == "0"
    assert "data-evil" not in root
    assert "CONSOLE" not in said
    seen = json.loads(root["data-seen"].replace("&quot;", '"'))
    assert 1 <= len(seen) <= 8  # as many as this machine is fast enough for
    for duration, left in seen:
        assert duration == pytest.approx(3.0, abs=0.1)
        assert 45 < left < 58, "half of the clip is half of the axis"
