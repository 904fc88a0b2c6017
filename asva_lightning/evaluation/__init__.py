"""Scoring the clips of any system: what is scored, by which measures, and the results with their uncertainty."""
