"""De-duplication: records -> groups of one report, pairs to ask a person about, reports of one study to link."""
