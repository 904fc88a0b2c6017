"""What a person looks at: HTML pages that open from disk without a network, and pictures of clips along time.

Every page is one file with its style, script and numbers inside; videos lie beside it. All pages share one player,
which keeps several videos in step.
"""
