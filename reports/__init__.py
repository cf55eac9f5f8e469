"""Present: one Document -> screen, PDF; sign, countersign, verify."""
