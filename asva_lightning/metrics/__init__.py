"""Measures of one clip: each file holds one, as a function of tensors and as a torchmetrics class."""
