"""Shards of clips, the stream that reads them, and the synthetic data set."""
