"""Well-known mistakes in ports of these networks, each as one change to the reference (see docs/conformance.md)."""

from __future__ import annotations

from npfaceapi.conformance.faults.chain import CHAIN_FAULTS
from npfaceapi.conformance.faults.decoding import DECODE_FAULTS
from npfaceapi.conformance.faults.fault import Fault
from npfaceapi.conformance.faults.network import NETWORK_FAULTS
from npfaceapi.conformance.faults.numbers import NUMBER_FAULTS
from npfaceapi.conformance.faults.pictures import PICTURE_FAULTS
from npfaceapi.conformance.faults.precision import NARROW_FAULTS, PRECISION_FAULTS

__all__ = ["FAULTS", "Fault"]

FAULTS: tuple[Fault, ...] = (
    *PICTURE_FAULTS,
    *PRECISION_FAULTS,
    *NETWORK_FAULTS,
    *DECODE_FAULTS,
    *CHAIN_FAULTS,
    *NUMBER_FAULTS,
    *NARROW_FAULTS,
)
