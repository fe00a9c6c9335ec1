"""Population adjustment: individual data of one study weighed or modelled towards the patients of another."""

from kmeta.methods.adjustment.hazards import Contrast
from kmeta.methods.adjustment.maic import Maic, maic
from kmeta.methods.adjustment.stc import Stc, stc

__all__ = ["Contrast", "Maic", "Stc", "maic", "stc"]
