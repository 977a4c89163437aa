"""The public names with their types; `__init__.py` brings each in on first use, and a test holds the two together."""

from npfaceapi import draw as draw, nets as nets
from npfaceapi._version import __version__ as __version__
from npfaceapi.collection.face_index import (
    FaceIndex as FaceIndex,
)
from npfaceapi.collection.worker import (
    FaceWorker as FaceWorker,
)
from npfaceapi.engines.dispatch import (
    available_backends as available_backends,
    current_backend as current_backend,
    set_backend as set_backend,
    use_backend as use_backend,
)
from npfaceapi.engines.thread_count import (
    get_num_threads as get_num_threads,
    set_num_threads as set_num_threads,
    use_num_threads as use_num_threads,
)
from npfaceapi.errors import (
    BackendUnavailable as BackendUnavailable,
    DeviceError as DeviceError,
    FetchError as FetchError,
    GoldenError as GoldenError,
    ImageError as ImageError,
    ImageNotFoundError as ImageNotFoundError,
    InvalidArgument as InvalidArgument,
    InvalidType as InvalidType,
    NpFaceApiError as NpFaceApiError,
    PhotoWarning as PhotoWarning,
    WeightsError as WeightsError,
)
from npfaceapi.evaluation.calibrating import (
    calibrate as calibrate,
)
from npfaceapi.evaluation.evaluating import (
    evaluate as evaluate,
)
from npfaceapi.export.files import (
    export_net as export_net,
)
from npfaceapi.export.onnx_model import (
    to_onnx as to_onnx,
)
from npfaceapi.faces.boxes import (
    inverse_sigmoid as inverse_sigmoid,
    iou as iou,
    non_max_suppression as non_max_suppression,
    shuffle_array as shuffle_array,
    sigmoid as sigmoid,
)
from npfaceapi.faces.calibration import (
    Calibration as Calibration,
    Estimate as Estimate,
)
from npfaceapi.faces.geometry import (
    BoundingBox as BoundingBox,
    Box as Box,
    Dimensions as Dimensions,
    LabeledBox as LabeledBox,
    Point as Point,
    PredictedBox as PredictedBox,
    Rect as Rect,
    min_bbox as min_bbox,
)
from npfaceapi.faces.landmarks import (
    FaceLandmarks as FaceLandmarks,
    FaceLandmarks5 as FaceLandmarks5,
    FaceLandmarks68 as FaceLandmarks68,
)
from npfaceapi.faces.matcher import (
    FaceMatch as FaceMatch,
    FaceMatcher as FaceMatcher,
    LabeledFaceDescriptors as LabeledFaceDescriptors,
    euclidean_distance as euclidean_distance,
)
from npfaceapi.faces.pose import (
    HeadPose as HeadPose,
    head_pose as head_pose,
)
from npfaceapi.faces.results import (
    FACE_EXPRESSION_LABELS as FACE_EXPRESSION_LABELS,
    AgeAndGenderPrediction as AgeAndGenderPrediction,
    FaceDetection as FaceDetection,
    FaceExpressions as FaceExpressions,
    FaceResult as FaceResult,
    Gender as Gender,
    ObjectDetection as ObjectDetection,
    extend_with_age as extend_with_age,
    extend_with_face_descriptor as extend_with_face_descriptor,
    extend_with_face_detection as extend_with_face_detection,
    extend_with_face_expressions as extend_with_face_expressions,
    extend_with_face_landmarks as extend_with_face_landmarks,
    extend_with_gender as extend_with_gender,
    is_with_age as is_with_age,
    is_with_face_detection as is_with_face_detection,
    is_with_face_expressions as is_with_face_expressions,
    is_with_face_landmarks as is_with_face_landmarks,
    is_with_gender as is_with_gender,
    resize_results as resize_results,
)
from npfaceapi.global_api import (
    all_faces as all_faces,
    all_faces_mtcnn as all_faces_mtcnn,
    all_faces_ssd_mobilenetv1 as all_faces_ssd_mobilenetv1,
    all_faces_tiny_yolov2 as all_faces_tiny_yolov2,
    anonymize as anonymize,
    compute_face_descriptor as compute_face_descriptor,
    create_face_detection_net as create_face_detection_net,
    create_face_recognition_net as create_face_recognition_net,
    create_mtcnn as create_mtcnn,
    create_ssd_mobilenetv1 as create_ssd_mobilenetv1,
    create_tiny_face_detector as create_tiny_face_detector,
    create_tiny_yolov2 as create_tiny_yolov2,
    detect_face_landmarks as detect_face_landmarks,
    detect_face_landmarks_tiny as detect_face_landmarks_tiny,
    detect_landmarks as detect_landmarks,
    load_age_gender_model as load_age_gender_model,
    load_face_detection_model as load_face_detection_model,
    load_face_expression_model as load_face_expression_model,
    load_face_landmark_model as load_face_landmark_model,
    load_face_landmark_tiny_model as load_face_landmark_tiny_model,
    load_face_recognition_model as load_face_recognition_model,
    load_mtcnn_model as load_mtcnn_model,
    load_ssd_mobilenetv1_model as load_ssd_mobilenetv1_model,
    load_tiny_face_detector_model as load_tiny_face_detector_model,
    load_tiny_yolov2_model as load_tiny_yolov2_model,
    locate_faces as locate_faces,
    mtcnn as mtcnn,
    predict_age_and_gender as predict_age_and_gender,
    recognize_face_expressions as recognize_face_expressions,
    ssd_mobilenetv1 as ssd_mobilenetv1,
    tiny_face_detector as tiny_face_detector,
    tiny_yolov2 as tiny_yolov2,
    warmup as warmup,
)
from npfaceapi.inspection.inspecting import (
    Inspection as Inspection,
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
    FaceLandmark68TinyNet as FaceLandmark68TinyNet,
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
    SsdMobilenetv1Options as SsdMobilenetv1Options,
    TinyFaceDetectorOptions as TinyFaceDetectorOptions,
    TinyYolov2Options as TinyYolov2Options,
    TinyYolov2SizeType as TinyYolov2SizeType,
    validate_config as validate_config,
)
from npfaceapi.networks.ssd_mobilenetv1 import (
    FaceDetectionNet as FaceDetectionNet,
    SsdMobilenetv1 as SsdMobilenetv1,
)
from npfaceapi.networks.tiny_face_detector import (
    TinyFaceDetector as TinyFaceDetector,
)
from npfaceapi.networks.tiny_yolov2 import (
    TinyYolov2 as TinyYolov2,
)
from npfaceapi.photos.chips import (
    extract_face_chip as extract_face_chip,
)
from npfaceapi.photos.fetch import (
    fetch_image as fetch_image,
    fetch_json as fetch_json,
    fetch_net_weights as fetch_net_weights,
    fetch_or_throw as fetch_or_throw,
)
from npfaceapi.photos.limits import (
    set_max_megapixels as set_max_megapixels,
)
from npfaceapi.photos.loading import (
    load_image as load_image,
)
from npfaceapi.photos.net_input import (
    NetInput as NetInput,
    buffer_to_image as buffer_to_image,
    extract_face_tensors as extract_face_tensors,
    extract_faces as extract_faces,
    normalize as normalize,
    pad_to_square as pad_to_square,
    resize_bilinear as resize_bilinear,
    to_net_input as to_net_input,
)
from npfaceapi.photos.quality import (
    FaceQuality as FaceQuality,
    face_quality as face_quality,
)
from npfaceapi.tasks import (
    ComposableTask as ComposableTask,
    ComputeAllFaceDescriptorsTask as ComputeAllFaceDescriptorsTask,
    ComputeFaceDescriptorsTaskBase as ComputeFaceDescriptorsTaskBase,
    ComputeSingleFaceDescriptorTask as ComputeSingleFaceDescriptorTask,
    DetectAllFaceLandmarksTask as DetectAllFaceLandmarksTask,
    DetectAllFacesTask as DetectAllFacesTask,
    DetectFaceLandmarksTaskBase as DetectFaceLandmarksTaskBase,
    DetectFacesTaskBase as DetectFacesTaskBase,
    DetectSingleFaceLandmarksTask as DetectSingleFaceLandmarksTask,
    DetectSingleFaceTask as DetectSingleFaceTask,
    detect_all_faces as detect_all_faces,
    detect_single_face as detect_single_face,
)
from npfaceapi.video.analysis import (
    FrameFaces as FrameFaces,
    VideoAnalysis as VideoAnalysis,
    analyze_video as analyze_video,
)
from npfaceapi.video.tracks import (
    Track as Track,
)
from npfaceapi.weights import (
    load_weight_map as load_weight_map,
)
