"""Whether the installed Numba still has the internals that numba_internals.py uses; a failing test names what has changed.

A new version of Numba: install it, run this file, then all tests.  When they pass, NEWEST_TRIED here and the upper bound in
pyproject.toml go up together.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys

import llvmlite.binding as llvm
import numba
import pytest

from helpers import ROOT
from npfaceapi.engines.numba import numba_internals

NEWEST_TRIED = (0, 68)

HERE = "npfaceapi/engines/numba/numba_internals.py"


def minor(version):
    major, number = re.match(r"(\d+)\.(\d+)", version).groups()
    return int(major), int(number)


def test_the_upper_bound_is_the_newest_version_that_was_tried():
    (bound,) = re.findall(r'"numba>=[\d.]+,<([\d.]+)[;"]', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    major, number = NEWEST_TRIED
    assert minor(bound) == (major, number + 1), (
        f"pyproject.toml allows numba<{bound}, but the newest version that this file says was tried is {major}.{number}: "
        "both go up together, when all tests pass with a new Numba"
    )
    assert minor(numba.__version__) <= NEWEST_TRIED, (
        f"numba {numba.__version__} is newer than {major}.{number}, the newest that was tried: if all other tests pass with it, "
        "raise NEWEST_TRIED in this file and the bound in pyproject.toml"
    )


@pytest.fixture(scope="module")
def compiled():
    """(a compiled function that stores 42 at an address, the types of its arguments)."""

    @numba.njit(numba.types.void(numba.types.CPointer(numba.types.int64)), **numba_internals.BARE)
    def store(place):
        place[0] = 42

    return store, (numba.types.CPointer(numba.types.int64),)


def test_options_that_leave_out_wrappers_and_reference_counts_are_known():
    try:
        numba.njit(numba.types.void(), **numba_internals.BARE)(lambda: None)
    except Exception as error:
        pytest.fail(
            f"numba.njit does not take one of the options {sorted(numba_internals.BARE)} any more (BARE in {HERE}): {error}"
        )


def test_a_compiled_function_gives_its_name_address_and_object_file(compiled):
    try:
        code = numba_internals.machine_code(*compiled)
    except Exception as error:
        pytest.fail(f"how Numba gives out machine code has changed (machine_code in {HERE}): {error!r}")
    assert llvm.parse_assembly(code.module).get_function(code.symbol).name == code.symbol, (
        "get_llvm_str() is not LLVM's text of the function any more, in which the names are looked up that it calls"
    )
    assert code.symbol.encode() in code.object_file, (
        "serialize_using_object_code() does not give the object file where it did; that file is what is kept on disk"
    )
    assert code.object_file.startswith((b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\x64\x86", b"\x64\xaa")), (
        "what is kept on disk is no object file of Linux, macOS or Windows, so a process without Numba could not load it"
    )


def test_a_native_function_takes_two_addresses_before_its_own_arguments(compiled):
    arguments = numba_internals.HIDDEN_ARGUMENTS
    code = numba_internals.machine_code(*compiled)
    function = llvm.parse_assembly(code.module).get_function(code.symbol)
    kinds = [str(argument.type) for argument in function.arguments]
    assert len(kinds) == arguments + 1, (
        f"a function of one argument takes {kinds} in machine code: Numba's calling convention has changed (HIDDEN_ARGUMENTS in "
        f"{HERE}); kernels are called through their addresses by it"
    )
    unused, place = (ctypes.c_int64 * arguments)(), ctypes.c_int64(0)
    hidden = [ctypes.addressof(unused) + 8 * k for k in range(arguments)]
    call = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_size_t] * (arguments + 1))(code.address)
    assert (call(*hidden, ctypes.addressof(place)), place.value) == (0, 42), "called through its address, it does something else"


def test_the_target_is_what_llvm_makes_machine_code_for():
    try:
        triple, processor, features = numba_internals.target()
        llvm.Target.from_triple(triple).create_target_machine(cpu=processor, features=features)
    except Exception as error:
        pytest.fail(f"Numba does not say any more for which processor it compiles (target in {HERE}): {error!r}")


def test_numbas_helpers_can_make_a_view_of_memory():
    assert callable(numba_internals.code_building().pack_array), (
        f"numba.core.cgutils.pack_array has gone (code_building in {HERE}): kernels/memory.py makes arrays with it"
    )


def test_the_version_can_be_read_without_importing_numba():
    source = f"""
import sys; sys.path[:0] = [{str(ROOT)!r}]
from npfaceapi.engines.numba import numba_internals
text = numba_internals.installed_version()
print('numba' in sys.modules, text.decode())
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60)
    imported, _, text = done.stdout.partition(" ")
    assert imported == "False", done.stderr
    assert numba.__version__ in text, (
        f"numba/_version.py does not hold the version any more (installed_version in {HERE}): kernels compiled "
        "by another Numba would be run"
    )
