"""The campaign: whatever comes in, the answer is a result or one of our own errors.

`mutations.py` damages bytes, `seeds.py` makes what they start from, `targets.py` says what each kind of input is given to,
`worker.py` runs one in a process of its own, `campaign.py` runs all for as long as asked, `failures.py` makes each allocation and
each call of the file system fail in turn.  `python -m tests.fuzz --minutes 60` is for a release; the suite runs a short one.
"""
