"""The fuzzing campaign: any input gives a result or one of our own errors.

`mutations.py` damages bytes, `seeds.py` makes valid inputs, `targets.py` has the functions under test, `worker.py` runs one of
them in a separate process, `campaign.py` runs all for a given time, `failures.py` makes each allocation and each file system
call fail in turn.  `python -m tests.fuzz --minutes 60` is for a release; the suite runs a short campaign.
"""
