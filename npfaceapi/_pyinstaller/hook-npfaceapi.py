"""Read by PyInstaller; see `__init__.py`."""

from npfaceapi._pyinstaller import data_files, submodules

hiddenimports = [*submodules(), "llvmlite.binding", "numba"]
excludedimports = ["matplotlib", "onnxruntime", "scipy", "torch"]  # for plots and peers, too large for what no program needs
datas = data_files()
module_collection_mode = {"npfaceapi.engines": "pyz+py"}  # kernels are kept under a hash of the sources
