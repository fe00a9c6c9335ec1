"""De-duplication: records -> groups of one report, pairs to ask a person about, reports of one study to link."""

from kmeta.methods.dedup.duplicates import Duplicates, Group, find_duplicates
from kmeta.methods.dedup.rules import RULES, Rule

__all__ = ["RULES", "Duplicates", "Group", "Rule", "find_duplicates"]
