"""What keeps a model safe while it is fine-tuned, beside the prompt template: the axis ``defence``.

One defence is one file, and one line of `registry`. ``kl:0.1`` names a defence with its parameter; `named`
reads such a name.
"""

from adapters_train.defences.defence import Defence
from adapters_train.defences.registry import DEFENCES, PLAIN, described, named

__all__ = ["DEFENCES", "PLAIN", "Defence", "described", "named"]
