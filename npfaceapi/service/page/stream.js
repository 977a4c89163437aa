// The tabs of a video file and of the camera: frames go to the service, one at a time, and the newest is next.
import { SETTLED, STOPPED, stream, whyNotOpen } from "./api.js";
import { detectorControls, fileChooser, foldable, onlyOne } from "./controls.js";
import { counted, element, problemBox, table } from "./dom.js";
import { Overlay, paintFaces } from "./drawing.js";
import { JsonView } from "./view.js";

const LARGEST = 640; // pixels of a frame's longer side
const QUALITY = 0.85; // of its JPEG
const AGAIN = 2000; // milliseconds until a lost connection is tried again
const FIGURES_EVERY = 500; // milliseconds

const chosenParts = { landmarks: true, expressions: false, "age-gender": false };

export const videoTab = (section) => streamTab(section, false);
export const webcamTab = (section) => streamTab(section, true);

function streamTab(section, isCamera) {
  const video = element("video", { muted: true, playsinline: true, loop: !isCamera, controls: !isCamera, "aria-label": isCamera ? "The camera" : "The video" });
  video.muted = true;
  const overlay = new Overlay(video);
  const problem = problemBox();
  const notice = problemBox(); // about the files given; stays while frames are answered
  const status = element("p", { class: "status", role: "status" });
  const figures = element("p", { class: "status" });
  const tracks = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "People followed" });
  const json = new JsonView();
  const frame = document.createElement("canvas");
  const seen = new Map();
  let socket = null;
  let isClosed = false;
  let sentAt = null; // when the frame that is out was taken; null: none is out
  let delays = [];
  let shownAt = 0;
  let retry = null;
  let isFollowing = false;

  function connect() {
    clearTimeout(retry);
    socket?.close();
    seen.clear();
    sentAt = null;
    const parts = ["detection", ...Object.keys(chosenParts).filter((name) => chosenParts[name])];
    const opened = stream({ parts: parts.join(","), ...controls.fields() });
    socket = opened;
    let wasOpen = false;
    opened.onopen = () => {
      wasOpen = true;
      if (opened === socket) problem.tell();
    };
    opened.onmessage = ({ data }) => opened === socket && receive(JSON.parse(data));
    opened.onclose = async ({ code, reason }) => {
      if (opened !== socket || isClosed) return;
      socket = null;
      sentAt = null;
      overlay.clear();
      if (code === 1008) return; // the question was wrong: said already
      const why = reason || (wasOpen ? STOPPED : await whyNotOpen());
      if (socket !== null || stage.hidden) return; // begun anew, or ended, meanwhile
      problem.tell(why);
      connectIn(AGAIN);
    };
  }

  function connectIn(milliseconds) {
    clearTimeout(retry);
    retry = setTimeout(connect, milliseconds);
  }

  function receive(answer) {
    const delay = sentAt === null ? 0 : performance.now() - sentAt;
    sentAt = null;
    if (answer.error !== undefined) {
      problem.tell(answer.error);
      overlay.clear();
      return;
    }
    problem.tell();
    const { faces } = answer;
    const labels = answer.tracks.map(({ track }, i) => `${track}: ${faces[i].detection.score.toFixed(2)}`);
    const ages = answer.tracks.map(({ age }) => age);
    overlay.show(answer.width, `${counted(faces.length, "face")} marked`, (painter) => paintFaces(painter, faces, { labels, ages }));
    const now = performance.now();
    delays = [...delays.filter(([at]) => now - at < 2000), [now, delay]];
    const time = video.currentTime; // may be earlier than the last: the video begins again, or a person seeks
    for (const { track, age } of answer.tracks) {
      const { from, to, frames } = seen.get(track) ?? { from: time, to: time, frames: 0 };
      seen.set(track, { from: Math.min(from, time), to: Math.max(to, time), age, frames: frames + 1 });
    }
    if (now - shownAt > FIGURES_EVERY) {
      shownAt = now;
      show(answer);
    }
  }

  function show(answer) {
    const span = delays.length > 1 ? delays.at(-1)[0] - delays[0][0] : 0;
    const rate = span ? (1000 * (delays.length - 1)) / span : 0;
    const sorted = delays.map(([, delay]) => delay).sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)];
    Object.assign(section.dataset, { rate: rate.toFixed(1), delay: median.toFixed(0) });
    figures.textContent = `${rate.toFixed(1)} frames a second, ${median.toFixed(0)} ms from a frame to its faces `
      + `(${answer.milliseconds.analyze} ms in the networks).`;
    status.textContent = `${counted(answer.faces.length, "face")}.`;
    const rows = [...seen].map(([track, { from, to, frames, age }]) =>
      [track, frames, ...(isCamera ? [] : [`${from.toFixed(1)} to ${to.toFixed(1)} s`]), age === null ? "-" : age.toFixed(0)]);
    tracks.replaceChildren(table(["Person", "Frames", ...(isCamera ? [] : ["Seen"]), "Age"], rows.slice(-20)));
    json.set(answer);
  }

  /** Send the frame that is shown, if none is out. */
  function send() {
    if (isClosed) return;
    if (sentAt === null && socket?.readyState === WebSocket.OPEN && video.readyState >= 2 && video.videoWidth) {
      sentAt = performance.now();
      const opened = socket;
      const size = Math.min(1, LARGEST / Math.max(video.videoWidth, video.videoHeight));
      Object.assign(frame, { width: Math.round(video.videoWidth * size), height: Math.round(video.videoHeight * size) });
      frame.getContext("2d").drawImage(video, 0, 0, frame.width, frame.height);
      frame.toBlob((blob) => opened === socket && opened.readyState === WebSocket.OPEN && opened.send(blob), "image/jpeg", QUALITY);
    }
  }

  /** Go on with each new frame of the video. */
  function follow() {
    if (isClosed) return;
    send();
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(follow);
    else requestAnimationFrame(follow);
  }

  async function start() {
    problem.tell();
    notice.tell();
    if (!navigator.mediaDevices?.getUserMedia) {
      problem.tell("Browsers give the camera only to pages of localhost or https: open this page on the machine itself.");
      return;
    }
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 }, audio: false });
    } catch (error) {
      problem.tell(cameraProblem(error));
      return;
    }
    if (isClosed) return stop();
    startButton.hidden = true;
    stopButton.hidden = false;
    stopButton.focus();
    play();
  }

  async function play() {
    stage.hidden = false;
    connect();
    await video.play().catch(() => {}); // a person can press the video's own button
    if (!isFollowing) follow();
    isFollowing = true;
  }

  function stop() {
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = null;
    clearTimeout(retry);
    const open = socket;
    socket = null;
    open?.close();
    overlay.clear();
    status.textContent = "";
    figures.textContent = "";
    tracks.replaceChildren();
    json.set(null);
    startButton.hidden = false;
    stopButton.hidden = true;
    stage.hidden = true;
  }

  function take(files) {
    stop();
    problem.tell();
    notice.tell();
    const file = onlyOne(files, notice, "video");
    if (video.src) URL.revokeObjectURL(video.src);
    video.onerror = () => {
      stage.hidden = true;
      problem.tell(`${file.name}: expected a video that this browser can play, such as MP4 or WebM, got something else.`);
    };
    video.src = URL.createObjectURL(file);
    video.onloadeddata = () => {
      video.onloadeddata = null;
      play();
    };
    video.onseeked = send; // also while it is paused
  }

  const controls = detectorControls("stream", () => socket !== null && connectIn(SETTLED));
  const titles = { landmarks: "Landmarks", expressions: "Expressions", "age-gender": "Age and gender" };
  const checks = Object.entries(titles).map(([name, title]) => {
    const box = element("input", { type: "checkbox", change() {
      chosenParts[name] = box.checked;
      if (socket !== null) connect();
    } });
    box.checked = chosenParts[name];
    return element("label", { class: "check" }, box, ` ${title}`);
  });
  const startButton = element("button", { type: "button", class: "main", click: start }, "Start the camera");
  const stopButton = element("button", { type: "button", hidden: true, click: () => { stop(); startButton.focus(); } }, "Stop the camera");
  const source = isCamera ? [startButton, stopButton] : [fileChooser("Choose a video, or drop it anywhere here", { accept: "video/*" }, take)];
  const stage = element("div", { class: "stage", hidden: true }, video, overlay.canvas);
  section.append(
    element("div", { class: "side" }, ...source, foldable(element("fieldset", {}, element("legend", {}, "Find"), ...checks), controls.node)),
    element("div", { class: "view" }, notice.node, problem.node, stage, status, figures, tracks, json.node),
  );
  return {
    drop: isCamera ? () => notice.tell("This tab takes no files: videos go to the tab Video, photos to the others.") : take,
    close() {
      isClosed = true;
      stop();
      if (video.src) URL.revokeObjectURL(video.src);
    },
  };
}

function cameraProblem(error) {
  const known = {
    NotAllowedError: "The camera was refused. Allow it for this page, with the camera or lock in the browser's address bar, and start again.",
    NotFoundError: "No camera is found. Connect one, and start again.",
    NotReadableError: "The camera is in use by another program. End that, and start again.",
  };
  return known[error.name] ?? `The camera could not be opened (${error.name}). Look at the browser's settings, and start again.`;
}
