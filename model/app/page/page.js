// The page: frames, fusion, comparison, retouching and saving. The server does the work; see /openapi.json.

import { ResultViewer } from "./result.js";

const $ = (id) => document.getElementById(id);
const POLL_INTERVAL = 250; // milliseconds
const BEAT_INTERVAL = 30000; // milliseconds; the server frees what nobody uses for minutes
const MESSAGE_TIME = 12000; // milliseconds
const IMAGE_NAME = /\.(jpe?g|png|tiff?|bmp|webp|heic|heif|mpo|nef|cr2|cr3|arw|dng|raf|orf|rw2|pef)$/i;
const PROJECT_NAME = /\.json$/i;
const compareNames = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;

let workplace = null; // the address that the server gave this tab
let frames = []; // {id, name, sha256, width, height, used}
let result = null; // as the server describes it
let fusedVersion = null; // the result's version when it was fused; strokes change only the tiles of the result
let running = false;
let strokesSent = Promise.resolve(); // strokes reach the server one after the other

const viewer = new ResultViewer($("canvas"), {
  tileUrl: (layer, level, row, column, version) => `${workplace}/tiles/${layer}/${level}/${row}/${column}?v=${version}`,
  onStroke: sendStroke,
  onChange: showFacts,
});

window.viewer = viewer; // for tests, and for debugging

// --- the server ---

async function request(address, options = {}) {
  const answer = await fetch(address, options).catch(() => {
    throw new Error("the server does not answer: is it still running?");
  });
  if (answer.ok) return answer;
  const { detail } = await answer.json().catch(() => ({ detail: answer.statusText }));
  throw new Error(typeof detail === "string" ? detail : detail.map((one) => one.msg).join("; "));
}

const getJson = async (address) => (await request(address)).json();

async function post(address, content) {
  const headers = { "Content-Type": "application/json" };
  return (await request(address, { method: "POST", headers, body: JSON.stringify(content) })).json();
}

function showMessage(text) {
  const message = document.createElement("p");
  message.textContent = text[0].toUpperCase() + text.slice(1);
  $("messages").append(message);
  setTimeout(() => message.remove(), MESSAGE_TIME);
}

// The function, with its errors shown as messages.
const showingErrors = (action) => async (...values) => {
  try {
    return await action(...values);
  } catch (error) {
    showMessage(error.message);
  }
};

setInterval(() => workplace && fetch(`${workplace}/progress`).catch(() => {}), BEAT_INTERVAL);
addEventListener("pagehide", () => workplace && navigator.sendBeacon(`${workplace}/end`));
addEventListener("pageshow", (event) => event.persisted && location.reload()); // its workplace has ended

// --- frames ---

const addFiles = showingErrors(async (files) => {
  workplace ??= `/workplaces/${(await post("/workplaces")).workplace}`;
  const project = files.find((file) => PROJECT_NAME.test(file.name));
  const images = files.filter((file) => IMAGE_NAME.test(file.name)).sort((a, b) => compareNames(a.name, b.name));
  if (!images.length && !project) throw new Error("none of these files is an image that can be read.");
  for (const [number, file] of images.entries()) {
    showProgress(`reading ${file.name}`, number, images.length, false);
    await showingErrors(async () => {
      const address = `${workplace}/frames?name=${encodeURIComponent(file.name)}`;
      const frame = await (await request(address, { method: "PUT", body: file })).json();
      frames.push({ ...frame, used: true });
      listFrames();
    })();
  }
  $("progress").hidden = true;
  if (project) await openProject(project);
});

async function openProject(file) {
  const project = await file.text().then(JSON.parse).catch(() => null);
  if (!Array.isArray(project?.frames)) throw new Error(`not a project: ${file.name}.`);
  const chosen = project.frames.map(({ sha256 }) => frames.find((frame) => frame.sha256 === sha256));
  const missing = project.frames.filter((_, number) => !chosen[number]).map(({ file }) => file);
  if (missing.length) throw new Error(`drop these frames together with the project: ${missing.join(", ")}.`);
  for (const frame of frames) frame.used = chosen.includes(frame);
  frames = [...chosen, ...frames.filter((frame) => !frame.used)];
  await formReady;
  for (const select of settingSelects()) setSelect(select, project.settings?.[select.name] ?? select.dataset.default);
  listFrames();
  await fuse(project.strokes ?? []);
}

function listFrames() {
  $("frames").replaceChildren(...frames.map(frameItem));
  $("fuse").disabled = running || frames.filter((frame) => frame.used).length < 2;
  showMapColors();
}

// Marks each frame with its color in the overlay of the decision map, while that is shown.
function showMapColors() {
  for (const [place, item] of [...$("frames").children].entries()) {
    const number = result ? result.frames.indexOf(frames[place].id) : -1;
    item.classList.toggle("marked", number >= 0 && $("overlay").value === "map");
    if (number >= 0) item.style.setProperty("--mark", result.colors[number]);
  }
}

function frameItem(frame, place) {
  const item = $("frame-template").content.firstElementChild.cloneNode(true);
  item.classList.toggle("out", !frame.used);
  const picture = item.querySelector(".picture");
  picture.setAttribute("aria-pressed", frame.used);
  picture.setAttribute("aria-label", `Use ${frame.name}`);
  picture.title = frame.used ? "Click to leave this frame out" : "Click to use this frame";
  picture.onclick = () => { frame.used = !frame.used; listFrames(); };
  // With its size known before it is loaded, no picture moves what is below it under a pointer.
  const { width, height } = frame;
  Object.assign(item.querySelector("img"), { width, height, src: `${workplace}/frames/${frame.id}/thumbnail` });
  const name = item.querySelector(".name");
  name.textContent = `${place + 1}. ${frame.name}`;
  name.title = `${frame.name}, ${frame.width}×${frame.height}`;
  const [earlier, later] = item.querySelectorAll(".order button");
  for (const [button, to, word] of [[earlier, place - 1, "earlier"], [later, place + 1, "later"]]) {
    button.setAttribute("aria-label", `Move ${frame.name} ${word}`);
    button.disabled = to < 0 || to >= frames.length;
    button.onclick = () => moveFrame(place, to);
  }
  item.ondragstart = (event) => {
    event.dataTransfer.setData("text/x-frame", String(place));
    event.dataTransfer.effectAllowed = "move";
  };
  item.ondragover = (event) => {
    if (!event.dataTransfer.types.includes("text/x-frame")) return;
    event.preventDefault();
    item.classList.add("over");
  };
  item.ondragleave = () => item.classList.remove("over");
  item.ondrop = (event) => {
    const from = event.dataTransfer.getData("text/x-frame");
    if (from === "") return;
    event.preventDefault();
    event.stopPropagation();
    moveFrame(Number(from), place);
  };
  return item;
}

function moveFrame(from, to) {
  frames.splice(to, 0, ...frames.splice(from, 1));
  listFrames();
}

const nameOf = (id) => frames.find((frame) => frame.id === id)?.name ?? "a frame";

// --- settings ---

const settingSelects = () => [...$("settings").querySelectorAll("select")];

// Makes the form of the settings that the server offers.
const formReady = showingErrors(async () => {
  for (const { name, help, default: initial, choices } of await getJson("/settings")) {
    const label = document.createElement("label");
    const select = document.createElement("select");
    const text = document.createElement("small");
    Object.assign(select, { name, id: name });
    const title = name.replaceAll("_", " ");
    label.append(title[0].toUpperCase() + title.slice(1), select);
    if (!choices.includes(initial)) select.append(new Option("default", ""));
    select.append(...choices.map((choice) => new Option(choice, choice)));
    select.value = select.dataset.default = initial ?? "";
    text.id = `${name}-help`;
    text.textContent = help;
    select.setAttribute("aria-describedby", text.id);
    $("settings").append(label, text);
  }
  $("strategy").onchange = () => { $("prefer").disabled = $("strategy").value === "refined"; };
})();

function readSettings() {
  const values = settingSelects().map((select) => [select.name, select.disabled ? null : select.value || null]);
  return Object.fromEntries(values);
}

function setSelect(select, value) {
  select.value = value;
  select.dispatchEvent(new Event("change"));
}

// --- fusing ---

async function fuse(strokes = []) {
  const used = frames.filter((frame) => frame.used).map((frame) => frame.id);
  await formReady;
  await post(`${workplace}/fuse`, { frames: used, settings: readSettings(), strokes });
  running = true;
  listFrames();
  let task;
  try {
    do {
      task = await getJson(`${workplace}/progress`);
      showProgress(task.state === "waiting" ? "waiting for another tab" : task.stage, task.done, task.total, true);
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL));
    } while (["waiting", "running"].includes(task.state));
  } finally {
    running = false;
    $("progress").hidden = true;
    listFrames();
  }
  if (task.state === "failed") throw new Error(task.error);
  if (task.state === "done") showNewResult(await getJson(`${workplace}/result`));
}

function showProgress(stage, done, total, cancellable) {
  $("progress").hidden = false;
  $("stage").textContent = stage;
  $("bar").max = total || 1;
  $("bar").value = done;
  $("cancel").hidden = !cancellable;
}

function showNewResult(description) {
  const compared = result?.frames[$("compare").value]; // is compared again, whatever its number is now
  const options = description.frames.map((id, number) => {
    const option = new Option(`${number + 1}. ${nameOf(id)}`, String(number));
    option.disabled = description.left_out.includes(id);
    return option;
  });
  $("compare").replaceChildren(new Option("nothing", ""), ...options);
  compareWith(description.frames.indexOf(compared));
  fusedVersion = description.version;
  description.remarks.forEach(showMessage);
  showResult(description);
}

// Shows a result, fused or retouched.
function showResult(description) {
  result = description;
  $("tools").hidden = $("formats").disabled = false;
  $("empty").hidden = true;
  $("undo").disabled = !result.strokes;
  $("overlay").querySelector("[value=depth]").disabled = !result.depth;
  if (!result.depth && $("overlay").value === "depth") setSelect($("overlay"), "");
  viewer.show(result.width, result.height, { result: result.version, other: fusedVersion });
  showMapColors();
}

// Compares with a frame by its number in the result; with -1 or a frame that was left out, with none.
function compareWith(number) {
  const option = [...$("compare").options].find((one) => one.value === String(number) && !one.disabled);
  setSelect($("compare"), option ? option.value : "");
}

function showFacts() {
  if (!result) return;
  const frame = $("compare").value;
  const facts = [
    `${result.width}×${result.height} pixels`,
    `zoom ${Math.round(viewer.view.scale * 100)}%`,
    ...(frame === "" ? [] : [`left: result, right: ${nameOf(result.frames[frame])}`]),
    ...(result.strokes ? [`${result.strokes} stroke${result.strokes > 1 ? "s" : ""}`] : []),
  ];
  $("facts").textContent = facts.join(" · ");
}

// --- retouching ---

function setTool(tool) {
  if (tool === "brush" && $("compare").value === "") {
    compareWith(result.frames.findIndex((id) => !result.left_out.includes(id)));
  }
  viewer.tool = tool;
  $("pan").setAttribute("aria-pressed", tool === "pan");
  $("brush").setAttribute("aria-pressed", tool === "brush");
  $("brush-options").hidden = tool !== "brush";
  setRadius();
}

// Sets the radius from 1 pixel to an eighth of the picture; equal steps of the slider are equal ratios.
function setRadius() {
  const largest = Math.max(result.width, result.height) / 8;
  viewer.radius = Math.max(1, largest ** ($("size").value / 100));
  viewer.redraw();
}

function sendStroke(points) {
  const kept = points.filter(([x, y], n) => n === 0 || n === points.length - 1
    || Math.hypot(x - points[n - 1][0], y - points[n - 1][1]) >= 0.5);
  const round = (value) => Math.round(value * 100) / 100;
  const stroke = {
    frame: Number($("compare").value),
    points: kept.map((point) => point.map(round)),
    radius: round(viewer.radius),
    softness: $("softness").value / 100,
  };
  viewer.unsentStrokes.push(stroke);
  strokesSent = strokesSent.then(async () => {
    await showingErrors(async () => showResult(await post(`${workplace}/strokes`, stroke)))();
    viewer.unsentStrokes = viewer.unsentStrokes.filter((one) => one !== stroke);
    viewer.redraw();
  });
}

function undo() {
  strokesSent = strokesSent.then(showingErrors(async () => {
    if (result.strokes) showResult(await post(`${workplace}/undo`));
  }));
}

// --- saving ---

const save = showingErrors(async (format) => {
  $("save").open = false;
  await strokesSent;
  const name = `${nameOf(result.frames[0]).replace(/\.[^.]*$/, "").replace(/[-_ ]?\d+$/, "") || "stack"}-fused`;
  showProgress("writing the file", 0, 0, false);
  const answer = await request(`${workplace}/${format === "json" ? "project" : `saved?format=${format}`}`)
    .finally(() => { $("progress").hidden = true; });
  const content = format === "json" ? new Blob([JSON.stringify(await answer.json(), null, 2), "\n"]) : await answer.blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = `${name}.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
});

// --- what is clicked, dropped and typed ---

$("open").onclick = () => $("files").click();
$("open-folder").onclick = () => $("folder").click();
for (const input of [$("files"), $("folder")]) {
  input.onchange = () => { addFiles([...input.files]); input.value = ""; };
}
addEventListener("dragover", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dropping"));
addEventListener("drop", async (event) => {
  document.body.classList.remove("dropping");
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  // Both are read before the first wait: afterwards the browser has emptied them.
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
  const files = [...event.dataTransfer.files];
  const folders = entries.filter((entry) => entry?.isDirectory);
  const inside = (await Promise.all(folders.map(filesOf))).flat();
  addFiles([...files.filter((file) => !folders.some((folder) => folder.name === file.name)), ...inside]);
});

async function filesOf(folder) {
  const reader = folder.createReader();
  const files = [];
  for (;;) { // a reader gives a hundred at a time
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!entries.length) return files;
    for (const entry of entries.filter((one) => one.isFile && !one.name.startsWith("."))) {
      files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    }
  }
}

addEventListener("click", (event) => { if (!$("save").contains(event.target)) $("save").open = false; });
$("fuse").onclick = showingErrors(() => fuse());
$("cancel").onclick = showingErrors(() => post(`${workplace}/cancel`));
for (const button of document.querySelectorAll("[data-save]")) button.onclick = () => save(button.dataset.save);
$("compare").onchange = () => {
  viewer.right = $("compare").value === "" ? null : `frame-${$("compare").value}`;
  if (viewer.right === null && viewer.tool === "brush") setTool("pan");
  viewer.redraw();
};
$("overlay").onchange = () => {
  viewer.overlay = $("overlay").value || null;
  $("opacity").hidden = !viewer.overlay;
  showMapColors();
  viewer.redraw();
};
$("opacity").oninput = () => { viewer.opacity = $("opacity").value / 100; viewer.redraw(); };
$("pan").onclick = () => setTool("pan");
$("brush").onclick = () => setTool("brush");
$("size").oninput = setRadius;
$("undo").onclick = undo;
$("fit").onclick = () => viewer.fit();
$("full").onclick = () => viewer.zoom(1 / viewer.view.scale);

function changeBrushSize(change) {
  $("size").value = Number($("size").value) + change;
  setRadius();
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape") $("save").open = false;
  if (!result || event.target.matches("input, select, textarea")) return;
  const { key } = event;
  if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "z") {
    event.preventDefault();
    undo();
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isBrush = viewer.tool === "brush"; // without it, the brackets move the divider
  const actions = {
    b: () => setTool("brush"), m: () => setTool("pan"),
    "[": isBrush && (() => changeBrushSize(-5)), "]": isBrush && (() => changeBrushSize(5)),
  };
  if (/^\d$/.test(key)) compareWith(Number(key) - 1);
  else if (actions[key]) actions[key]();
  else if (!key.startsWith("Arrow") || document.activeElement === $("canvas")) { // elsewhere, arrows scroll the page
    if (viewer.pressKey(key)) event.preventDefault();
  }
});
