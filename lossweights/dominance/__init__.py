"""Which term dominates: shares, verdicts, flips."""
