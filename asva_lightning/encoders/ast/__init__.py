"""AST, the Audio Spectrogram Transformer: a pretrained audio encoder under a permissive licence."""

from asva_lightning.encoders.ast.encoder import AstAudio
from asva_lightning.encoders.ast.layout import AstLayout
from asva_lightning.encoders.ast.network import AstNetwork

__all__ = ["AstAudio", "AstLayout", "AstNetwork"]
