"""Templates to HTML; every text is escaped."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> str:
    """Fill a template of this folder.

    Args:
        template: Name of the file, for instance ``run_page.html.j2``. Pages extend ``base.html.j2``, which brings the
            style and the player.
        **values: What the template uses. Texts are escaped; for a script, use the filter ``tojson``.
    """
    return _ENVIRONMENT.get_template(template).render(**values)
