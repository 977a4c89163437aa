"""What is said of faces: points, boxes, landmarks, detections, predictions, results, and who a descriptor belongs to."""
