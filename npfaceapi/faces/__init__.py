"""Data about faces: points, boxes, landmarks, detections, predictions, results, and matching of descriptors."""
