"""Where films are written, checked before a network is loaded: a wrong word costs no time and no file of the user."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from asva_lightning.diffusion.film import explained_file
from asva_lightning.errors import ConfigurationError


def check_output(output: str, many: bool) -> Path:
    """The path of a film, or the folder of many.

    Raises:
        ConfigurationError: If it is of the wrong kind.
    """
    path = Path(output)
    if many and (path.suffix.lower() == ".mp4" or path.is_file()):
        raise ConfigurationError(f"--output {output} must be a folder, as --pairs makes many videos.")
    if not many and path.suffix.lower() != ".mp4":
        raise ConfigurationError(f"--output {output} must end in .mp4, the kind of file that is written.")
    if not many and path.is_dir():
        raise ConfigurationError(f"--output {output} is a folder. Give a file, such as {path / 'animation.mp4'}.")
    return path


def panel_files(output: Path, sounds: Sequence[str]) -> list[Path]:
    """The film of each sound, where one of all shows them side by side.

    Raises:
        ConfigurationError: If two sounds have the same file name.
    """
    files = [output.with_name(f"{output.stem}-{Path(sound).stem}.mp4") for sound in sounds]
    if len(set(files)) < len(files):
        raise ConfigurationError("Two sounds have the same file name; rename one, as the videos are named after them.")
    return files


def prepare_outputs(films: Sequence[Path], inputs: Iterable[str], explain: bool = False) -> None:
    """See to it that films can be written, and replace nothing that is read.

    Args:
        films: What will be written.
        inputs: Pictures and sounds.
        explain: Whether each has a film of where the sound acts beside it.

    Raises:
        ConfigurationError: If a film would replace an input or another film, or its folder cannot be made.
    """
    read = {Path(path).resolve(): path for path in inputs}
    written: set[Path] = set()
    for film in [*films, *(explained_file(film) for film in films if explain)]:
        place = film.resolve()
        if place in read:
            raise ConfigurationError(
                f"The film {film} would replace {read[place]}, from which it is made. Set --output to another place."
            )
        if place in written:
            raise ConfigurationError(
                f"Two films would be written to {film}. Rename a sound, or name the films in the column `output`."
            )
        written.add(place)
    for folder in dict.fromkeys(film.parent for film in films):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"The folder {folder} cannot be made: {error}. Set --output elsewhere.") from error
