"""Records and decisions -> the PRISMA flow."""

from kmeta.methods.flow.prisma import prisma_flow
from kmeta.methods.flow.reports import reports_of

__all__ = ["prisma_flow", "reports_of"]
