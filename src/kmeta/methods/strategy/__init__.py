"""The strategy table: who, which treatment, resting on what, how sure."""

from kmeta.methods.strategy.build import strategy_table
from kmeta.methods.strategy.table import StrategyRow, StrategyTable

__all__ = ["StrategyRow", "StrategyTable", "strategy_table"]
