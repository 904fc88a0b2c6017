"""The page of a run: what it says, and what a real browser makes of it."""

import json
import re
from pathlib import Path

import pytest
from page_helpers import browse, write_sample, write_video

from asva_lightning.pages.run_page import write_run_page

EVIL = "<script>document.documentElement.dataset.evil = 1</script> & \"quotes' </script>"


@pytest.fixture
def run(tmp_path) -> Path:
    """A run of two clips at two steps; the lamp has no sample at the second, and its name needs quoting."""
    folder = tmp_path / "quickstart-1a2b3c4d"
    for step in (500, 1000):
        place = write_sample(
            folder, step, "ball 1#a", text=EVIL, scores={EVIL: step / 1e3, "av": 0.25}, reference="../truth/ball.mp4"
        )
    write_sample(folder, 500, "lamp", guidance={"audio": 4.0, "text": 1.0})
    write_video(place.parent / "truth" / "ball.mp4", brightness=20)
    lines = [
        {"step": step, "time": "2025-01-02T03:04:05+00:00", "train/loss": 1 / step} for step in range(100, 1100, 100)
    ]
    lines.append({"step": 1000, "time": "2025-01-02T03:04:05+00:00", EVIL: "nan", "epoch": 0.0})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "config.yaml").write_text(f"text: {EVIL}\n")
    return folder


def tags(document: str, name: str) -> list[dict[str, str]]:
    """Attributes of every element of a kind."""
    return [dict(re.findall(r'([\w-]+)="([^"]*)"', tag)) for tag in re.findall(rf"<{name}\b[^>]*>", document)]


def test_the_page_says_where_the_run_stands(run):
    page = write_run_page(run)
    assert page == run / "index.html"
    content = page.read_text()
    assert "<h1>quickstart-1a2b3c4d</h1>" in content
    assert "Step 1000 · updated 02 January 2025, 03:04 ·\n  2 clips at 2 steps" in content


def test_every_text_is_escaped(run):
    content = write_run_page(run).read_text()
    assert EVIL not in content
    assert "<script>document" not in content
    assert content.count("&lt;script&gt;document") >= 3
    assert content.count("</script>") == 2


def test_the_page_needs_no_network(run):
    assert not re.search(r"(src|href)=\"(https?:|//|/)|@import|url\(", write_run_page(run).read_text())


def test_an_empty_folder_has_a_page_that_says_so(tmp_path):
    content = write_run_page(tmp_path).read_text()
    for sentence in ("No samples yet.", "No metrics yet.", "No config.yaml in this folder."):
        assert sentence in content
    assert "0 clips at 0 steps" in content


def test_a_damaged_description_is_left_out_and_announced(run, caplog):
    (run / "samples" / "step_000500" / "lamp.json").write_text('{"key": "la')
    (run / "samples" / "step_000500" / "other.json").write_text("[]")
    assert "1 clip at 2 steps" in write_run_page(run).read_text()
    assert "lamp.json does not describe a sample" in caplog.text
    assert "other.json does not describe a sample" in caplog.text


@pytest.mark.browser
def test_a_browser_shows_the_newest_step_with_its_videos(run):
    document, said = browse(write_run_page(run))
    (root,) = tags(document, "html")
    assert root["data-errors"] == "0"
    assert "CONSOLE" not in said
    assert "data-evil" not in root
    assert root["data-videos"] == "2 of 2"
    sample, truth, lamp = tags(document, "video")
    assert sample["src"] == "samples/step_001000/ball%201%23a.mp4"
    assert truth["src"] == "samples/truth/ball.mp4"
    for video in (sample, truth):
        assert video["data-state"] == "loaded"
        assert float(video["data-seconds"]) == pytest.approx(2.0, abs=0.1)
        assert video["class"] == "pixelated"
    assert "src" not in lamp
    assert "no sample at step 1000" in document
    assert "<b>0.25</b>" in document


@pytest.mark.browser
@pytest.mark.parametrize("fragment", ["#step=500", "#step=620"])
def test_the_address_selects_the_step(run, fragment):
    document, _ = browse(write_run_page(run), fragment=fragment)
    (root,) = tags(document, "html")
    assert root["data-videos"] == "3 of 3"
    assert [video["src"] for video in tags(document, "video")] == [
        "samples/step_000500/ball%201%23a.mp4",
        "samples/truth/ball.mp4",
        "samples/step_000500/lamp.mp4",
    ]
    assert '<output id="step-name">500</output>' in document
    assert "guidance audio 4, text 1" in document


def with_script(page: Path, script: str) -> Path:
    """The same page, used by a script instead of a person; ``tell`` writes what it finds into the document."""
    helper = "const tell = (name, value) => { document.documentElement.dataset[name] = value; };"
    other = page.with_name("driven.html")
    other.write_text(page.read_text().replace("</body>", f"<script>{helper}{script}</script></body>"))
    return other


@pytest.mark.browser
def test_the_slider_changes_all_videos_and_the_address(run):
    script = "slider.value = 0; slider.dispatchEvent(new Event('input')); tell('address', location.hash);"
    document, _ = browse(with_script(write_run_page(run), script))
    (root,) = tags(document, "html")
    assert root["data-address"] == "#step=500"
    assert root["data-videos"] == "3 of 3"
    assert tags(document, "video")[0]["src"] == "samples/step_000500/ball%201%23a.mp4"


@pytest.mark.browser
def test_one_clock_moves_all_videos_and_one_is_heard(run):
    script = """
    const all = [...document.querySelectorAll("video[src]")];
    setTimeout(() => {
      player.seek(1.25);
      tell("times", all.map((video) => video.currentTime).join(" "));
      document.querySelector("[data-play]").click();
      tell("paused", all.map((video) => video.paused).join(" "));
      document.querySelectorAll("[data-sound]")[1].click();
      tell("muted", all.map((video) => video.muted).join(" "));
      document.querySelector("[data-play]").click();
      tell("stopped", all.map((video) => video.paused).join(" "));
    }, 1500);
    """
    document, said = browse(with_script(write_run_page(run), script))
    (root,) = tags(document, "html")
    assert "CONSOLE" not in said
    assert root["data-times"] == "1.25 1.25"
    assert root["data-paused"] == "false false"
    assert root["data-muted"] == "true false"
    assert root["data-stopped"] == "true true"


@pytest.mark.browser
def test_playing_videos_stay_in_step_and_begin_again_together(run):
    script = """
    const all = [...document.querySelectorAll("video[src]")], seen = [];
    setTimeout(() => player.play(true), 1000);
    setInterval(() => { seen.push(all.map((video) => video.currentTime)); tell("seen", JSON.stringify(seen)); }, 100);
    """
    # Videos play in real time, of which a busy machine spends more than it counts.
    document, _ = browse(with_script(write_run_page(run), script), milliseconds=15_000)
    seen = json.loads(tags(document, "html")[0]["data-seen"])
    assert max(abs(sample - truth) for sample, truth in seen) < 0.2
    times = [sample for sample, _ in seen]
    assert max(times) > 1.7
    assert times.index(max(times)) < max(index for index, time in enumerate(times) if time < 1.0)


@pytest.mark.browser
def test_the_pointer_reads_values_off_a_curve(run):
    script = """
    const svg = document.querySelectorAll("svg")[1], box = svg.getBoundingClientRect();
    svg.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + box.width * 0.3 }));
    tell("value", document.querySelectorAll(".chart output")[1].textContent);
    """
    document, _ = browse(with_script(write_run_page(run), script))
    (root,) = tags(document, "html")
    assert root["data-value"] == "step 200: 0.005"
    assert root["data-errors"] == "0"


@pytest.mark.browser
def test_an_empty_page_loads_without_errors(tmp_path):
    document, said = browse(write_run_page(tmp_path))
    (root,) = tags(document, "html")
    assert root["data-errors"] == "0"
    assert "CONSOLE" not in said
