"""Measures of clips and of sets of clips.

Each measure has one file, with its formula as a function of tensors and, of the same name, a torchmetrics class that
gives it over all ranks and per class. The other files hold what several measures share.
"""
