"""The public names with their types; `__init__.py` brings each in on first use, and a test holds the two together."""

from npfaceapi import draw as draw
from npfaceapi import nets as nets
from npfaceapi._version import __version__ as __version__
from npfaceapi.engines.dispatch import (
    available_backends as available_backends,
)
from npfaceapi.engines.dispatch import (
    current_backend as current_backend,
)
from npfaceapi.engines.dispatch import (
    set_backend as set_backend,
)
from npfaceapi.engines.dispatch import (
    use_backend as use_backend,
)
from npfaceapi.engines.thread_count import (
    get_num_threads as get_num_threads,
)
from npfaceapi.engines.thread_count import (
    set_num_threads as set_num_threads,
)
from npfaceapi.engines.thread_count import (
    use_num_threads as use_num_threads,
)
from npfaceapi.errors import (
    BackendUnavailable as BackendUnavailable,
)
from npfaceapi.errors import (
    DeviceError as DeviceError,
)
from npfaceapi.errors import (
    FetchError as FetchError,
)
from npfaceapi.errors import (
    GoldenError as GoldenError,
)
from npfaceapi.errors import (
    ImageError as ImageError,
)
from npfaceapi.errors import (
    ImageNotFoundError as ImageNotFoundError,
)
from npfaceapi.errors import (
    InvalidArgument as InvalidArgument,
)
from npfaceapi.errors import (
    InvalidType as InvalidType,
)
from npfaceapi.errors import (
    NpFaceApiError as NpFaceApiError,
)
from npfaceapi.errors import (
    WeightsError as WeightsError,
)
from npfaceapi.export.files import (
    export_net as export_net,
)
from npfaceapi.export.onnx_model import (
    to_onnx as to_onnx,
)
from npfaceapi.faces.boxes import (
    inverse_sigmoid as inverse_sigmoid,
)
from npfaceapi.faces.boxes import (
    iou as iou,
)
from npfaceapi.faces.boxes import (
    non_max_suppression as non_max_suppression,
)
from npfaceapi.faces.boxes import (
    shuffle_array as shuffle_array,
)
from npfaceapi.faces.boxes import (
    sigmoid as sigmoid,
)
from npfaceapi.faces.geometry import (
    BoundingBox as BoundingBox,
)
from npfaceapi.faces.geometry import (
    Box as Box,
)
from npfaceapi.faces.geometry import (
    Dimensions as Dimensions,
)
from npfaceapi.faces.geometry import (
    LabeledBox as LabeledBox,
)
from npfaceapi.faces.geometry import (
    Point as Point,
)
from npfaceapi.faces.geometry import (
    PredictedBox as PredictedBox,
)
from npfaceapi.faces.geometry import (
    Rect as Rect,
)
from npfaceapi.faces.geometry import (
    min_bbox as min_bbox,
)
from npfaceapi.faces.landmarks import (
    FaceLandmarks as FaceLandmarks,
)
from npfaceapi.faces.landmarks import (
    FaceLandmarks5 as FaceLandmarks5,
)
from npfaceapi.faces.landmarks import (
    FaceLandmarks68 as FaceLandmarks68,
)
from npfaceapi.faces.matcher import (
    FaceMatch as FaceMatch,
)
from npfaceapi.faces.matcher import (
    FaceMatcher as FaceMatcher,
)
from npfaceapi.faces.matcher import (
    LabeledFaceDescriptors as LabeledFaceDescriptors,
)
from npfaceapi.faces.matcher import (
    euclidean_distance as euclidean_distance,
)
from npfaceapi.faces.results import (
    FACE_EXPRESSION_LABELS as FACE_EXPRESSION_LABELS,
)
from npfaceapi.faces.results import (
    AgeAndGenderPrediction as AgeAndGenderPrediction,
)
from npfaceapi.faces.results import (
    FaceDetection as FaceDetection,
)
from npfaceapi.faces.results import (
    FaceExpressions as FaceExpressions,
)
from npfaceapi.faces.results import (
    FaceResult as FaceResult,
)
from npfaceapi.faces.results import (
    Gender as Gender,
)
from npfaceapi.faces.results import (
    ObjectDetection as ObjectDetection,
)
from npfaceapi.faces.results import (
    extend_with_age as extend_with_age,
)
from npfaceapi.faces.results import (
    extend_with_face_descriptor as extend_with_face_descriptor,
)
from npfaceapi.faces.results import (
    extend_with_face_detection as extend_with_face_detection,
)
from npfaceapi.faces.results import (
    extend_with_face_expressions as extend_with_face_expressions,
)
from npfaceapi.faces.results import (
    extend_with_face_landmarks as extend_with_face_landmarks,
)
from npfaceapi.faces.results import (
    extend_with_gender as extend_with_gender,
)
from npfaceapi.faces.results import (
    is_with_age as is_with_age,
)
from npfaceapi.faces.results import (
    is_with_face_detection as is_with_face_detection,
)
from npfaceapi.faces.results import (
    is_with_face_expressions as is_with_face_expressions,
)
from npfaceapi.faces.results import (
    is_with_face_landmarks as is_with_face_landmarks,
)
from npfaceapi.faces.results import (
    is_with_gender as is_with_gender,
)
from npfaceapi.faces.results import (
    resize_results as resize_results,
)
from npfaceapi.global_api import (
    all_faces as all_faces,
)
from npfaceapi.global_api import (
    all_faces_mtcnn as all_faces_mtcnn,
)
from npfaceapi.global_api import (
    all_faces_ssd_mobilenetv1 as all_faces_ssd_mobilenetv1,
)
from npfaceapi.global_api import (
    all_faces_tiny_yolov2 as all_faces_tiny_yolov2,
)
from npfaceapi.global_api import (
    compute_face_descriptor as compute_face_descriptor,
)
from npfaceapi.global_api import (
    create_face_detection_net as create_face_detection_net,
)
from npfaceapi.global_api import (
    create_face_recognition_net as create_face_recognition_net,
)
from npfaceapi.global_api import (
    create_mtcnn as create_mtcnn,
)
from npfaceapi.global_api import (
    create_ssd_mobilenetv1 as create_ssd_mobilenetv1,
)
from npfaceapi.global_api import (
    create_tiny_face_detector as create_tiny_face_detector,
)
from npfaceapi.global_api import (
    create_tiny_yolov2 as create_tiny_yolov2,
)
from npfaceapi.global_api import (
    detect_face_landmarks as detect_face_landmarks,
)
from npfaceapi.global_api import (
    detect_face_landmarks_tiny as detect_face_landmarks_tiny,
)
from npfaceapi.global_api import (
    detect_landmarks as detect_landmarks,
)
from npfaceapi.global_api import (
    load_age_gender_model as load_age_gender_model,
)
from npfaceapi.global_api import (
    load_face_detection_model as load_face_detection_model,
)
from npfaceapi.global_api import (
    load_face_expression_model as load_face_expression_model,
)
from npfaceapi.global_api import (
    load_face_landmark_model as load_face_landmark_model,
)
from npfaceapi.global_api import (
    load_face_landmark_tiny_model as load_face_landmark_tiny_model,
)
from npfaceapi.global_api import (
    load_face_recognition_model as load_face_recognition_model,
)
from npfaceapi.global_api import (
    load_mtcnn_model as load_mtcnn_model,
)
from npfaceapi.global_api import (
    load_ssd_mobilenetv1_model as load_ssd_mobilenetv1_model,
)
from npfaceapi.global_api import (
    load_tiny_face_detector_model as load_tiny_face_detector_model,
)
from npfaceapi.global_api import (
    load_tiny_yolov2_model as load_tiny_yolov2_model,
)
from npfaceapi.global_api import (
    locate_faces as locate_faces,
)
from npfaceapi.global_api import (
    mtcnn as mtcnn,
)
from npfaceapi.global_api import (
    predict_age_and_gender as predict_age_and_gender,
)
from npfaceapi.global_api import (
    recognize_face_expressions as recognize_face_expressions,
)
from npfaceapi.global_api import (
    ssd_mobilenetv1 as ssd_mobilenetv1,
)
from npfaceapi.global_api import (
    tiny_face_detector as tiny_face_detector,
)
from npfaceapi.global_api import (
    tiny_yolov2 as tiny_yolov2,
)
from npfaceapi.global_api import (
    warmup as warmup,
)
from npfaceapi.inspection.inspecting import (
    Inspection as Inspection,
)
from npfaceapi.inspection.inspecting import (
    inspect as inspect,
)
from npfaceapi.networks.age_gender_net import (
    AgeGenderNet as AgeGenderNet,
)
from npfaceapi.networks.face_expression_net import (
    FaceExpressionNet as FaceExpressionNet,
)
from npfaceapi.networks.face_landmark_68_net import (
    FaceLandmark68Net as FaceLandmark68Net,
)
from npfaceapi.networks.face_landmark_68_net import (
    FaceLandmark68TinyNet as FaceLandmark68TinyNet,
)
from npfaceapi.networks.face_landmark_68_net import (
    FaceLandmarkNet as FaceLandmarkNet,
)
from npfaceapi.networks.face_recognition_net import (
    FaceRecognitionNet as FaceRecognitionNet,
)
from npfaceapi.networks.mtcnn import (
    Mtcnn as Mtcnn,
)
from npfaceapi.networks.neural_network import (
    NeuralNetwork as NeuralNetwork,
)
from npfaceapi.networks.options import (
    MtcnnOptions as MtcnnOptions,
)
from npfaceapi.networks.options import (
    SsdMobilenetv1Options as SsdMobilenetv1Options,
)
from npfaceapi.networks.options import (
    TinyFaceDetectorOptions as TinyFaceDetectorOptions,
)
from npfaceapi.networks.options import (
    TinyYolov2Options as TinyYolov2Options,
)
from npfaceapi.networks.options import (
    TinyYolov2SizeType as TinyYolov2SizeType,
)
from npfaceapi.networks.options import (
    validate_config as validate_config,
)
from npfaceapi.networks.ssd_mobilenetv1 import (
    FaceDetectionNet as FaceDetectionNet,
)
from npfaceapi.networks.ssd_mobilenetv1 import (
    SsdMobilenetv1 as SsdMobilenetv1,
)
from npfaceapi.networks.tiny_face_detector import (
    TinyFaceDetector as TinyFaceDetector,
)
from npfaceapi.networks.tiny_yolov2 import (
    TinyYolov2 as TinyYolov2,
)
from npfaceapi.photos.fetch import (
    fetch_image as fetch_image,
)
from npfaceapi.photos.fetch import (
    fetch_json as fetch_json,
)
from npfaceapi.photos.fetch import (
    fetch_net_weights as fetch_net_weights,
)
from npfaceapi.photos.fetch import (
    fetch_or_throw as fetch_or_throw,
)
from npfaceapi.photos.net_input import (
    NetInput as NetInput,
)
from npfaceapi.photos.net_input import (
    buffer_to_image as buffer_to_image,
)
from npfaceapi.photos.net_input import (
    extract_face_tensors as extract_face_tensors,
)
from npfaceapi.photos.net_input import (
    extract_faces as extract_faces,
)
from npfaceapi.photos.net_input import (
    load_image as load_image,
)
from npfaceapi.photos.net_input import (
    normalize as normalize,
)
from npfaceapi.photos.net_input import (
    pad_to_square as pad_to_square,
)
from npfaceapi.photos.net_input import (
    resize_bilinear as resize_bilinear,
)
from npfaceapi.photos.net_input import (
    to_net_input as to_net_input,
)
from npfaceapi.tasks import (
    ComposableTask as ComposableTask,
)
from npfaceapi.tasks import (
    ComputeAllFaceDescriptorsTask as ComputeAllFaceDescriptorsTask,
)
from npfaceapi.tasks import (
    ComputeFaceDescriptorsTaskBase as ComputeFaceDescriptorsTaskBase,
)
from npfaceapi.tasks import (
    ComputeSingleFaceDescriptorTask as ComputeSingleFaceDescriptorTask,
)
from npfaceapi.tasks import (
    DetectAllFaceLandmarksTask as DetectAllFaceLandmarksTask,
)
from npfaceapi.tasks import (
    DetectAllFacesTask as DetectAllFacesTask,
)
from npfaceapi.tasks import (
    DetectFaceLandmarksTaskBase as DetectFaceLandmarksTaskBase,
)
from npfaceapi.tasks import (
    DetectFacesTaskBase as DetectFacesTaskBase,
)
from npfaceapi.tasks import (
    DetectSingleFaceLandmarksTask as DetectSingleFaceLandmarksTask,
)
from npfaceapi.tasks import (
    DetectSingleFaceTask as DetectSingleFaceTask,
)
from npfaceapi.tasks import (
    detect_all_faces as detect_all_faces,
)
from npfaceapi.tasks import (
    detect_single_face as detect_single_face,
)
from npfaceapi.weights import (
    load_weight_map as load_weight_map,
)
