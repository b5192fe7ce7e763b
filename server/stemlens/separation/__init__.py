"""Stems out of a lone mix, and how far they may be trusted."""
